/*
 * What a subscriber gets before the events of the ring: the first message with its snapshot, then
 * events from the store.  A subscriber has a preamble only while there is something in it.  Private
 * to the hub; one thread.
 */
#ifndef JOBLIGHT_CORE_PREAMBLE_H
#define JOBLIGHT_CORE_PREAMBLE_H

#include "joblight/core/hub.h"

struct preamble;

struct preamble *preamble_get(struct subscriber *s); /* made when there is none */
void preamble_drop(struct subscriber *s);            /* does nothing when there is none */

/* Sends the result's events after the message.  Takes a reference.  NULL changes nothing. */
void preamble_hold(struct preamble *o, struct read_result *result);

/* Does what hub_send() describes. */
void preamble_send(struct preamble *o, struct first_message *m, struct read_result *result);

/* One write. */
struct piece {
	struct slice bytes;
	uint64_t events; /* how many events are in it */
};

/* Makes the next write in `out`: of `max` bytes or one event, with the wrapping of the
 * connection. */
struct piece preamble_next(struct subscriber *s, struct buf *out, size_t max);
/* The first message has begun and is not complete.  `o` may be NULL. */
bool preamble_in_message(const struct preamble *o);
bool preamble_done(const struct preamble *o);

#endif
