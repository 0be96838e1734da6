/*
 * A hole: events that are missing at the end of the ring of a channel, because the bus delivers
 * them later than their followers, or has lost them.  The followers are kept for a moment; then
 * what is missing is read from the store, once for all subscribers of the channel.  On a bus of one
 * process there are none.  Private to the hub.
 */
#ifndef JOBLIGHT_CORE_HOLE_H
#define JOBLIGHT_CORE_HOLE_H

#include "channel.h"

/*
 * Keeps an event that does not follow the end of the ring.  False: it does, or nobody watches, and
 * it is to be appended.
 */
bool hole_keeps(struct hub *h, struct channel *c, struct batch *b, const struct event *e);
/* Something was appended to the ring: what was kept may follow now. */
void hole_shrink(struct hub *h, struct channel *c);
/* Compares the channel with the head of its job: an event with is_head. */
void hole_compare(struct hub *h, struct channel *c, const struct event *head);
/* Opens a hole if it is known that the job is further than the ring. */
void hole_check(struct hub *h, struct channel *c);
void hole_free(struct channel *c); /* the channel is dropped */

/* Reads for the holes that have waited. */
void holes_read(struct hub *h);
/* When to call it; UINT64_MAX: there are none. */
uint64_t holes_due(const struct hub *h);

#endif
