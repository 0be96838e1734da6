/* The state of the engine and of one transaction, for the engine's files.  One thread. */
#ifndef JOBLIGHT_CORE_ENGINE_INTERNAL_H
#define JOBLIGHT_CORE_ENGINE_INTERNAL_H

#include "joblight/core/engine.h"
#include "working_set.h"

struct engine {
	struct store *store;
	const struct limits *limits;
	entropy_fn *entropy;
	struct working_set rows;
	struct batch *batch;
	int64_t now, steady; /* of the transaction: wall time, and steady time for silence */
	struct credential *first_key; /* of --key-file, or NULL */
	bool has_issuer;
	bool keys_expire; /* in this transaction */
	uint64_t probe;   /* number of the current check, see struct task_state */
};

/* Records a failure of the store in the working set; STORE_NONE is not a failure. */
static inline bool store_failed(struct engine *e, enum store_result r)
{
	return working_set_failed(&e->rows, r);
}

/* The time of a change to the job.  It never goes back, even when the wall clock does. */
static inline int64_t engine_job_time(const struct engine *e, const struct job_state *job)
{
	return e->now > job->row.updated ? e->now : job->row.updated;
}

#endif
