/*
 * Counts the connections and streams of all loops together, and applies their limits.  Any loop's
 * thread may call these functions.
 */
#ifndef JOBLIGHT_NET_CAPACITY_H
#define JOBLIGHT_NET_CAPACITY_H

#include "connection.h"

enum capacity {
	CAPACITY_FREE,
	CAPACITY_FULL,   /* the client gets an answer that says so */
	CAPACITY_EXCESS, /* closed without an answer, because even an answer needs a descriptor for
	                    a while */
};

/* Counts one more connection, even if it exceeds the limit. */
enum capacity capacity_enter(struct loop *l);
void capacity_leave(struct loop *l); /* once for each capacity_enter() */

/* Counts the connection as a stream, if it may become one now.  False: *problem says why not. */
bool capacity_takes_stream(struct conn *c, struct problem *problem);
/*
 * Counts a connection that stays open for long (a stream, a WebSocket, a waiting poll); once, if
 * called twice.  False: there are too many.  The limit keeps connections free for requests.
 */
bool capacity_count_stream(struct conn *c);
void capacity_uncount_stream(struct conn *c); /* calling it twice is harmless */

/* The answer to requests that arrive while the server stops. */
extern const struct problem capacity_stopping;

#endif
