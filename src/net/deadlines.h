/*
 * The deadlines of a loop's connections.  A connection has at most one deadline, in the list of its
 * kind, which is sorted.  All deadlines of a list have the same length, so a new one comes last,
 * unless the limit was lowered meanwhile.
 */
#ifndef JOBLIGHT_NET_DEADLINES_H
#define JOBLIGHT_NET_DEADLINES_H

#include "connection.h"

#define WAIT_SECONDS_MAX 600 /* at least the maximum of --poll-wait-ms */

struct deadlines {
	struct list heads, bodies;               /* requests that are arriving */
	struct list idles;                       /* idle keep-alive connections */
	struct list closings;                    /* the last bytes of an answer */
	struct list delays;                      /* answers that are held back: see quota.h */
	struct list messages;                    /* WebSockets with an incomplete message */
	struct list beats;                       /* WebSockets, by their next ping */
	struct list waits[WAIT_SECONDS_MAX + 1]; /* long polls, by their wait in seconds */
};

/* Called when a deadline of a connection expires, which removes the deadline. */
struct deadline_actions {
	void (*late)(struct conn *c); /* heads, bodies */
	void (*idle)(struct conn *c);
	void (*closing)(struct conn *c);
	void (*delayed)(struct conn *c);
	void (*transport)(struct conn *c); /* messages, beats, waits */
};

void deadlines_init(struct deadlines *d);
void deadlines_expire(struct deadlines *d, uint64_t now, const struct deadline_actions *actions);
/* Moves the deadlines of this list that are later than `due` to `due`. */
void deadlines_shorten(struct list *deadlines, uint64_t due);

/* Sets the deadline of a connection, which replaces its old one. */
void deadline_set(struct list *deadlines, struct conn *c, uint64_t due);
void deadline_clear(struct conn *c);

/* How long a client may take for the rest of a body, or to hang up after a refusal. */
uint64_t deadline_body_ms(const struct loop *l);

#endif
