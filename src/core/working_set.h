/*
 * The engine's working set: the job and task rows that it needs, in memory.
 *
 * Rows are fetched from the store and kept.  The engine touches a row that it changes, and flush
 * writes each touched row once, however many ops touched it.  The least recently used jobs are
 * dropped when there are more than limits->cached_tasks.
 *
 * Private to the engine, which decides when rows may be kept.  One thread.
 */
#ifndef JOBLIGHT_CORE_WORKING_SET_H
#define JOBLIGHT_CORE_WORKING_SET_H

#include "joblight/base/hash.h"

#include "joblight/base/list.h"
#include "joblight/core/limits.h"
#include "joblight/core/store.h"

/* A task row in memory.  `probe` and `probe_attempt` carry what earlier items of the batch that
 * is checked would do to it. */
struct task_state {
	struct task_row row;
	bool dirty;
	uint64_t probe;
	int64_t probe_attempt;
	struct list dirty_link;
	UT_hash_handle hh;
};

/* A job row in memory, with the tasks that were needed. */
struct job_state {
	struct job_row row;
	bool dirty;
	struct task_state *tasks;
	struct list dirty_tasks;
	struct list link;       /* in working_set.recent, the least recently used first */
	struct list dirty_link; /* in working_set.dirty */
	struct list day_link;   /* in engine.days */
	UT_hash_handle hh;
};

struct working_set {
	struct store *store;
	const struct limits *limits;
	struct job_state *jobs;
	struct list recent, dirty;
	size_t cached_tasks;
	/* the failure of the store in this transaction; STORE_OK: none */
	enum store_result failure;
};

/* Both are borrowed for as long as it lives. */
void working_set_init(struct working_set *w, struct store *store, const struct limits *limits);
void working_set_finish(struct working_set *w);

/* Records a failure of the store in w->failure.  STORE_NONE is not a failure. */
bool working_set_failed(struct working_set *w, enum store_result r);

/* A row that was found stays valid until it is dropped. */
void working_set_drop_job(struct working_set *w, struct job_state *job);
void working_set_drop_all(struct working_set *w);
void working_set_trim(struct working_set *w);

/* Takes over the strings of the row. */
struct job_state *working_set_keep_job(struct working_set *w, const struct job_row *row);
/* NULL: no such job, or the store failed (w->failure). */
struct job_state *working_set_find_job(struct working_set *w, const char *id);
struct task_state *working_set_keep_task(struct working_set *w, struct job_state *job,
                                         const struct task_row *row);
/* NULL: the job has no such task, or the store failed (w->failure). */
struct task_state *working_set_find_task(struct working_set *w, struct job_state *job,
                                         struct slice id);

/* Marks a changed row to be written. */
void working_set_touch_job(struct working_set *w, struct job_state *job);
void working_set_touch_task(struct job_state *job, struct task_state *task);

/* Writes the touched rows, each job before its tasks.  Any result but STORE_OK is w->failure. */
enum store_result working_set_flush(struct working_set *w);

#endif
