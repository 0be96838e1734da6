/*
 * The jobs of transactions of which the store does not know whether they were committed.  Nobody
 * has been told of their events, and a client that repeats its write gets the answer of the first
 * one, which makes no event.  So when the store is back, the heads of these jobs are published, and
 * every loop reads what it has not got.
 *
 * The store thread.
 */
#ifndef JOBLIGHT_WORK_DOUBTS_H
#define JOBLIGHT_WORK_DOUBTS_H

#include "joblight/core/batch.h"
#include "joblight/core/op.h"
#include "joblight/core/store.h"

struct doubts {
	char (*ids)[ID_MAX + 1];
	size_t count, cap;
};

/* The transaction of these ops has failed, perhaps after it was committed. */
void doubts_add(struct doubts *d, const struct op *ops);
/* The heads of all these jobs, which are then forgotten; the caller releases the batch.  NULL: the
 * store has failed, and none is forgotten. */
struct batch *doubts_settle(struct doubts *d, struct store *s);
void doubts_finish(struct doubts *d);

#endif
