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
	const char *traceparent; /* of the operation that is being applied */
	struct list days;        /* jobs whose row of the day is written at the end: day_log.h */
	int64_t now, steady;     /* of the transaction: wall time, and steady time for silence */
	struct credential *first_key; /* of --key-file, or NULL */
	bool has_issuer;
	struct list imports; /* in progress: imports.h */
	bool keys_expire;    /* in this transaction */
	uint64_t probe;      /* number of the current check, see struct task_state */
};

/* Records a failure of the store in the working set; STORE_NONE is not a failure. */
static inline bool store_failed(struct engine *e, enum store_result r)
{
	return working_set_failed(&e->rows, r);
}

/* The time of keys and tokens: the nodes of a database have the same, and steady time is theirs. */
static inline int64_t engine_shared_time(const struct engine *e)
{
	return e->store->ops->exclusive ? e->now : e->steady;
}

/* The time of a change to the job.  It never goes back, even when the wall clock does. */
static inline int64_t engine_job_time(const struct engine *e, const struct job_state *job)
{
	return e->now > job->row.updated ? e->now : job->row.updated;
}

#endif
