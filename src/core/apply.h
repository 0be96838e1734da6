/*
 * The operations, by noun (apply_job.c, apply_task.c, …), and what they share.  Private to the
 * engine.
 *
 * An operation checks everything before it changes anything.  It returns false when it is refused
 * (the op's problem is set) or when the store failed (the working set holds the failure).
 */
#ifndef JOBLIGHT_CORE_APPLY_H
#define JOBLIGHT_CORE_APPLY_H

#include "engine_internal.h"

/* One function for each row of ops.def. */
#define OP(kind, apply, decode, scope, watchers, audited)                                          \
	bool apply(struct engine *e, struct op *op);
#include "joblight/core/ops.def"
#undef OP

/* NULL: there is no such job, it has ended or is full, or the store failed. */
struct job_state *apply_find_open_job(struct engine *e, struct op *op);
/* False: the op is about a task (op->task_id) that the job does not have, or the store failed. */
bool apply_finds_task(struct engine *e, struct op *op, struct job_state *job);

/* Removes the job with everything that belongs to it.  False: the store failed. */
bool apply_remove_job(struct engine *e, struct op *op, struct job_state *job);
void apply_make_epoch(struct engine *e, char epoch[EPOCH_LEN + 1]);

/* Replaces the string that *field owns. */
void apply_set_text(char **field, struct slice text);
/* The id that was given, or a new one. */
void apply_set_id(struct engine *e, char out[ID_MAX + 1], struct slice given, int64_t time);

/* A new task at the end of the job, kept in the working set and not yet touched. */
struct task_state *apply_new_task(struct engine *e, struct job_state *job,
                                  const struct task_change *change, int64_t time);

#endif
