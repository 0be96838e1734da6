/* The answer to an operation, as JSON, from the result that the engine left in the op. */
#ifndef JOBLIGHT_CORE_ANSWER_H
#define JOBLIGHT_CORE_ANSWER_H

#include "joblight/core/op.h"

/*
 * The body of an HTTP response: one object, or an array when the op came as an array.  `watchers`
 * is the job's current number of watchers; only answers about parts of a job tell it.  The bytes
 * are appended to `out`.
 */
void answer_encode(struct buf *out, const struct op *op, unsigned watchers);

/* The ack on a WebSocket: one object, even when the op came as an array. */
void answer_encode_ack(struct buf *out, const struct op *op, unsigned watchers);

/* The id of the job that an OP_JOB_CREATE created, now or when its key was first used.  It points
 * into the op. */
struct slice answer_job_id(const struct op *op);

#endif
