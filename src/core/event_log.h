/*
 * The events that an operation adds: each one gets the job's next seq, goes into the batch of the
 * transaction, and is written to the store's log.  Private to the engine.
 *
 * The functions return false when the store failed; the working set holds the failure then.
 */
#ifndef JOBLIGHT_CORE_EVENT_LOG_H
#define JOBLIGHT_CORE_EVENT_LOG_H

#include "engine_internal.h"

struct command;

/*
 * Any event: begin() makes it and raises the job's seq, the caller appends its JSON to the batch's
 * text, and end() writes it to the log.  The job's row has its key by then.
 */
struct event *event_log_begin(struct engine *e, struct job_state *job, enum event_type type);
bool event_log_end(struct engine *e, struct job_state *job, struct event *event);

bool event_log_task(struct engine *e, struct job_state *job, const struct task_state *task);
/* `extra` holds bits of enum job_update_extra; `tasks` are the tasks of a new job. */
bool event_log_job(struct engine *e, struct job_state *job, unsigned extra,
                   const struct task_row *tasks, size_t count);
bool event_log_deliverable(struct engine *e, struct job_state *job,
                           const struct deliverable_row *deliverable);
bool event_log_command(struct engine *e, struct job_state *job, const struct command *command);

/* Adds the deletion to the batch only, after the job's events: the log is gone with the job. */
void event_log_deletion(struct engine *e, const struct job_row *job);

#endif
