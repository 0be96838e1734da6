/*
 * Bodies into operations, rows into JSON.  The only user of cJSON.
 *
 * Decoding is strict: unknown fields are 422 (they are usually typing errors), duplicate ones 400; every
 * refusal names the field and says what to change.  On failure the op is unchanged but for its document.
 */
#ifndef JOBLIGHT_CORE_CODEC_H
#define JOBLIGHT_CORE_CODEC_H

#include "joblight/core/limits.h"
#include "joblight/core/op.h"

/* A JSON body for an op of this kind; job_id comes from the path before. */
bool decode_json(const struct limits *limits, struct slice body, struct op *op, struct problem *problem);

/* application/x-www-form-urlencoded, for the webhook: the same fields, one task. */
bool decode_form(const struct limits *limits, struct slice body, struct op *op, struct problem *problem);

/* The event's JSON: the state after the change.  Bytes go to `out`. */
void encode_task_update(struct buf *out, const char *job_id, uint64_t seq, int64_t time, const struct task_row *task);

enum job_update_extra { JOB_UPDATE_METADATA = 1, JOB_UPDATE_CREATED = 2 };
/* With JOB_UPDATE_CREATED, `tasks` are the ones the job came with. */
void encode_job_update(struct buf *out, const struct job_row *job, uint64_t seq, int64_t time, unsigned extra,
		       const struct task_row *tasks, size_t task_count);

/* Members of the snapshot, without braces around the whole. */
void encode_job_head(struct buf *out, const struct job_row *job);     /* "id":… "endedAt" */
void encode_job_position(struct buf *out, const struct job_row *job); /* ,"seq":…,"epoch":…,"cursor":… */
void encode_task(struct buf *out, const struct task_row *task);       /* a whole object */
void encode_deliverable(struct buf *out, const struct deliverable_row *deliverable);

#endif
