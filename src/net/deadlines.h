/*
 * The deadlines of a loop's connections: one for each connection, in the list of its kind, in their
 * order.  All deadlines of one list are equally long, so a new one comes last, unless the limit was
 * lowered meanwhile.
 */
#ifndef JOBLIGHT_NET_DEADLINES_H
#define JOBLIGHT_NET_DEADLINES_H

#include "connection.h"

#define WAIT_SECONDS_MAX 600

struct deadlines {
	struct list heads, bodies;               /* of requests that are arriving */
	struct list idles;                       /* keep-alive */
	struct list closings;                    /* the last bytes of an answer */
	struct list messages;                    /* WebSockets with half a message */
	struct list beats;                       /* WebSockets by their next ping */
	struct list waits[WAIT_SECONDS_MAX + 1]; /* long polls by their seconds */
};

/* What is done with a connection when its deadline is over; it has none any more then. */
struct deadline_actions {
	void (*late)(struct conn *c); /* heads, bodies */
	void (*idle)(struct conn *c);
	void (*closing)(struct conn *c);
	void (*transport)(struct conn *c); /* messages, beats, waits */
};

void deadlines_init(struct deadlines *d);
void deadlines_expire(struct deadlines *d, uint64_t now, const struct deadline_actions *actions);
/* Those of this list are not later than `due`. */
void deadlines_shorten(struct list *deadlines, uint64_t due);

/* Puts a deadline on a connection, replacing the one it had. */
void deadline_set(struct list *deadlines, struct conn *c, uint64_t due);
void deadline_clear(struct conn *c);

/* The time that a client has for the rest of a body, or to hang up after its refusal. */
uint64_t deadline_body_ms(const struct loop *l);

#endif
