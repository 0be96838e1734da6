/* Encodes rows as JSON: the events that are logged, and the parts of snapshots and answers.  All
 * bytes are appended to `out`. */
#ifndef JOBLIGHT_CORE_ENCODE_H
#define JOBLIGHT_CORE_ENCODE_H

#include "joblight/base/buf.h"
#include "joblight/core/model.h"

/* The members that every event begins and ends with, and its braces.  `traceparent`: of the
 * operation that made it; "" or NULL: it has none. */
void encode_event_start(struct buf *out, enum event_type type, const char *job_id, uint64_t seq);
void encode_event_end(struct buf *out, int64_t time, const char *traceparent);

/* The event's JSON, which is the state after the change. */
void encode_task_update(struct buf *out, const char *job_id, uint64_t seq, int64_t time,
                        const char *traceparent, const struct task_row *task);

enum job_update_extra { JOB_UPDATE_METADATA = 1, JOB_UPDATE_CREATED = 2 };
/* With JOB_UPDATE_CREATED, `tasks` are the tasks of the new job. */
void encode_job_update(struct buf *out, const struct job_row *job, uint64_t seq, int64_t time,
                       const char *traceparent, unsigned extra, const struct task_row *tasks,
                       size_t task_count);
void encode_deliverable_event(struct buf *out, const char *job_id, uint64_t seq, int64_t time,
                              const char *traceparent, const struct deliverable_row *deliverable);

struct command {
	struct slice name;
	const char *task_id; /* "": the whole job */
	struct slice args;   /* a JSON object */
	const char *actor;   /* who sent it; NULL: not known */
};

void encode_command(struct buf *out, const char *job_id, uint64_t seq, int64_t time,
                    const char *traceparent, const struct command *command);

/* Members, without the braces around them. */
void encode_job_head(struct buf *out, const struct job_row *job);     /* "id":… to "endedAt" */
void encode_job_position(struct buf *out, const struct job_row *job); /* ,"seq" "epoch" "cursor" */
void encode_task_members(struct buf *out, const struct task_row *task);
void encode_deliverable_members(struct buf *out, const struct deliverable_row *deliverable);

/* Whole objects. */
void encode_job_day(struct buf *out, const struct job_day_row *row);
void encode_task(struct buf *out, const struct task_row *task);
void encode_deliverable(struct buf *out, const struct deliverable_row *deliverable);

#endif
