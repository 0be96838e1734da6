/*
 * What goes out to a subscriber before the events of the ring: the first message with its snapshot,
 * then events from the store.  A subscriber has one only while there is something in it.  Private
 * to the hub; one thread.
 */
#ifndef JOBLIGHT_CORE_OUTBOX_H
#define JOBLIGHT_CORE_OUTBOX_H

#include "joblight/core/hub.h"

struct outbox;

struct outbox *outbox_get(struct subscriber *s); /* made when there is none */
void outbox_drop(struct subscriber *s);          /* harmless when there is none */

/* Its events go out, after the message; takes a reference.  NULL changes nothing. */
void outbox_hold(struct outbox *o, struct read_result *result);

/* The contract of hub_send(). */
void outbox_send(struct outbox *o, struct first_message *m, struct read_result *result);

/* One write. */
struct piece {
	struct slice bytes;
	uint64_t events; /* how many are in it */
};

/* The next one, made in `out`: of `most` bytes or one event, and what the connection wraps it in.
 */
struct piece outbox_next(struct subscriber *s, struct buf *out, size_t most);
/* The first message has begun and is not complete.  NULL is fine. */
bool outbox_in_message(const struct outbox *o);
bool outbox_done(const struct outbox *o);

#endif
