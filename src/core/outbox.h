/*
 * What goes out to a subscriber in front of the events: the opening with its snapshot, then events from the
 * store.  A subscriber has one only while there is something in it.  Private to the hub; one thread.
 */
#ifndef JOBLIGHT_CORE_OUTBOX_H
#define JOBLIGHT_CORE_OUTBOX_H

#include "joblight/core/hub.h"

struct outbox;

struct outbox *outbox_get(struct subscriber *s); /* made when there is none */
void outbox_drop(struct subscriber *s);          /* harmless when there is none */

/* Its events go out, behind the parts; takes a reference.  NULL changes nothing. */
void outbox_hold(struct outbox *o, struct read_result *result);

/* Head + middle + tail: the contract of hub_send(). */
void outbox_send(struct outbox *o, struct buf *head, struct read_result *result, struct slice middle,
		 struct slice tail);

/* The next piece into `out`, emptied first, of `most` bytes or one event; how many events are in it. */
uint64_t outbox_fill(struct subscriber *s, struct buf *out, size_t most);
bool outbox_done(const struct outbox *o);

#endif
