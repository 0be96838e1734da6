/* The results of operations: what the engine writes into an op.  Private to the engine. */
#ifndef JOBLIGHT_CORE_RESULT_H
#define JOBLIGHT_CORE_RESULT_H

#include "joblight/core/op.h"
#include "working_set.h"

/* The events that the op added: first .. last. */
void result_position(struct op *op, const struct job_state *job, uint64_t first, uint64_t last);

/* The snapshot of a job that this op created; `tasks` are its tasks, op->task_count of them. */
void result_created_job(struct op *op, const struct job_state *job, const struct task_row *tasks);
void result_job(struct op *op, const struct job_state *job);
void result_task(struct op *op, const struct job_state *job, const struct task_state *task);
void result_deliverable(struct op *op, const struct job_state *job,
                        const struct deliverable_row *deliverable);
/* One item of a report: the position after it. */
void result_report(struct op *op, const struct job_state *job);
/* Answers an op that added one event, the job's last, and made nothing else: 201 and its position.
 */
void result_event(struct op *op, const struct job_state *job);

#endif
