/* How many connections and streams the loops may have together, and whether one more may come. */
#ifndef JOBLIGHT_NET_CAPACITY_H
#define JOBLIGHT_NET_CAPACITY_H

#include "connection.h"

enum capacity {
	CAPACITY_FREE,
	CAPACITY_FULL,   /* the client gets an answer that says so */
	CAPACITY_EXCESS, /* it is closed without an answer, because those take descriptors too */
};

/* Counts one more connection, whatever the result. */
enum capacity capacity_enter(struct loop *l);
void capacity_leave(struct loop *l); /* one connection less, wherever it was */

/* Whether this connection may become a stream now, which counts it as one; *problem says why not.
 */
bool capacity_takes_stream(struct conn *c, struct problem *problem);
/*
 * Counts a connection that will stay for long (a stream, a WebSocket, a waiting poll), once; false
 * when there are too many.  The limit leaves connections for requests.
 */
bool capacity_count_stream(struct conn *c);
void capacity_uncount_stream(struct conn *c); /* it has ended; harmless twice */

/* The answer to what comes while the server stops. */
extern const struct problem capacity_stopping;

#endif
