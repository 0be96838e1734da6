/*
 * How a subscriber begins at a position and goes on when it is lapped: from the ring when that
 * holds what is needed, otherwise from the store.  Private to the hub.
 */
#ifndef JOBLIGHT_CORE_RESUME_H
#define JOBLIGHT_CORE_RESUME_H

#include "deliver.h"
#include "joblight/core/metric.h"

/*
 * Reads what follows the cursor from the store; the subscriber continues when the result arrives.
 */
void resume_refill(struct hub *h, struct subscriber *s);

/*
 * Reads the store if there are events that have not reached the ring, because they are still on
 * their way or a bus lost them, and it is not read for the ring (hole.h).  Otherwise it does
 * nothing.
 */
void resume_missing(struct hub *h, struct subscriber *s);

/* Delivers, and reads the store if the ring cannot serve the subscriber. */
static inline void resume_deliver(struct hub *h, struct subscriber *s)
{
	if (deliver(h, s) != DELIVERY_LAPPED)
		return;
	metric_count(METRIC_LAPPED);
	resume_refill(h, s);
}

#endif
