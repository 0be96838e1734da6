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
 * called twice.  Otherwise there are too many, of all clients or of this one; only for the latter
 * *problem is set.  The limits keep connections free for requests.
 */
enum stream_room { STREAM_COUNTED, STREAMS_FULL, STREAMS_OF_CLIENT_FULL };
enum stream_room capacity_count_stream(struct conn *c, struct problem *problem);
void capacity_uncount_stream(struct conn *c); /* calling it twice is harmless */

/* The answer to requests that arrive while the server stops. */
extern const struct problem capacity_stopping;

#endif
