/*
 * What a loop does not know itself: which requests there are, and what answers them.  One constant
 * of this type is given to the loops (struct loops_config); its functions are called in the thread
 * of the connection's loop.
 */
#ifndef JOBLIGHT_NET_DISPATCH_H
#define JOBLIGHT_NET_DISPATCH_H

#include "transport.h"

struct dispatch {
	/* Paths below it may hold any characters; elsewhere what is not visible ASCII is refused.
	 */
	const char *free_path;
	/* Answers a complete request, now or later. */
	void (*run)(struct conn *c, struct request *r);
	/* An op that this request sent has come back from the store.  Takes the op. */
	void (*answered)(struct conn *c, struct op *op);
	/*
	 * The transport that a request with "Upgrade: websocket" leads to, which is counted as a
	 * stream from now on; NULL: it is refused, and the problem says why.
	 */
	const struct transport *(*upgrade)(struct conn *c, const struct request *r,
	                                   struct problem *problem);
	/* The client of this connection may do what needs this access; otherwise the problem. */
	bool (*admits)(const struct conn *c, enum access need, struct problem *problem);
};

#endif
