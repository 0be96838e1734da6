/*
 * The fold: what a job's events make of it, one after another.  The rows of its tasks and
 * deliverables are written to a store, under the key of a job that is being imported, so the memory
 * it takes does not depend on the job.
 *
 * One thread, within a write transaction of the store.
 */
#ifndef JOBLIGHT_CORE_FOLD_H
#define JOBLIGHT_CORE_FOLD_H

#include "joblight/core/store.h"

struct fold {
	struct store *store;
	int64_t key;        /* of the rows in the store */
	struct job_row row; /* the job after the events so far; owns its texts */
	/* False: the log does not begin with the first event.  Then the rows of tasks and
	 * deliverables are not written, and what the events do not say is not known. */
	bool whole;
};

/* `first`: the seq of the first event. */
void fold_begin(struct fold *f, struct store *store, int64_t key, const char *id, const char *epoch,
                uint64_t first);
/*
 * Takes the next event.  *fault: why it cannot be the next one, or NULL; then the fold cannot go
 * on.  *type and *time are those of the event, unless there is a fault.
 */
enum store_result fold_event(struct fold *f, struct slice json, enum event_type *type,
                             int64_t *time, const char **fault);
void fold_finish(struct fold *f); /* frees the texts; the rows stay */

#endif
