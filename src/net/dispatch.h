/*
 * What the loops are told about requests: which ones exist, and who answers them.  The loops get
 * one constant of this type (struct loops_config), and call its functions in the thread of the
 * connection's loop.
 */
#ifndef JOBLIGHT_NET_DISPATCH_H
#define JOBLIGHT_NET_DISPATCH_H

#include "transport.h"

struct dispatch {
	/*
	 * Paths below this one may hold any characters.  In other paths only visible ASCII is
	 * allowed.
	 */
	const char *free_path;
	/* The path of the request's route, as it stands in the table; NULL: it has none. */
	const char *(*route_of)(const struct request *r);
	/*
	 * The body of a POST to this path may be of any length.  run() is called before it has
	 * come, and gets it in pieces: see input_next_piece().
	 */
	const char *stream_path;
	/* Answers a complete request, now or later. */
	void (*run)(struct conn *c, struct request *r);
	/* Takes an operation of this request that has returned from the store. */
	void (*answered)(struct conn *c, struct op *op);
	/* The same when the connection has gone meanwhile. */
	void (*unanswered)(struct loop *l, struct op *op);
	/*
	 * Whether a request with "Upgrade: websocket" runs like another one first, which ends with
	 * input_upgrade() or a refusal.
	 */
	bool (*upgrade_waits)(struct conn *c, struct request *r);
	/*
	 * Returns the transport for a request with "Upgrade: websocket", and counts the connection
	 * as a stream.  NULL: refused, and *problem says why.
	 */
	const struct transport *(*upgrade)(struct conn *c, const struct request *r,
	                                   struct problem *problem);
	/*
	 * Whether the client of this connection has one of the rights `need`.  A job id (or NULL)
	 * that it may not know of is concealed: see model.h.  False: *problem says why not.
	 */
	bool (*admits)(const struct conn *c, enum right need, char *job_id,
	               struct problem *problem);
	/* The stream that its request asks for is refused. */
	void (*stream_refused)(struct conn *c);
	/* What depends on the members of the operation. */
	bool (*admits_op)(const struct conn *c, const struct op *op, struct problem *problem);
	/*
	 * Appends the header lines that every answer to this request needs, a refusal too.
	 * `context` is that of struct loop_settings.  The request may be refused: then it has what
	 * was read before, at least its method, and its headers up to the one that is at fault.
	 */
	void (*add_lines)(const void *context, const struct request *r, struct buf *lines);
};

#endif
