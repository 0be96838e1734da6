#include "apply.h"

#include <stdlib.h>

#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"

void apply_set_text(char **field, struct slice text)
{
	free(*field);
	*field = xmemdup(text.ptr, text.len);
}

/* The id that was given, or a new one. */
void apply_set_id(struct engine *e, char out[ID_MAX + 1], struct slice given, int64_t time)
{
	uint8_t entropy[10];

	if (given.len) {
		memcpy(out, given.ptr, given.len);
		out[given.len] = '\0';
	} else {
		e->entropy(entropy, sizeof(entropy));
		uuid7_format(time, entropy, out);
	}
}

/* A job that is full can still be ended, or it would stay open. */
static bool may_grow(const struct engine *e, struct op *op, const struct job_state *job)
{
	uint64_t max = e->limits->job_bytes;

	if (!max || job->row.bytes < max || op_ends_job(op))
		return true;
	return problem_set(
	    &op->problem, OUTCOME_JOB_FULL,
	    "the job has %llu bytes of events, which is the limit: end it and create "
	    "another one",
	    (unsigned long long)job->row.bytes);
}

struct job_state *apply_find_open_job(struct engine *e, struct op *op)
{
	struct job_state *job = working_set_find_job(&e->rows, op->job_id);

	if (!job) {
		problem_no_job(&op->problem, op->job_id);
		return NULL;
	}
	if (job_status_terminal(job->row.status)) {
		problem_set(&op->problem, OUTCOME_JOB_ENDED,
		            "the job is %s: nothing can be added to it",
		            job_status_text(job->row.status));
		return NULL;
	}
	return may_grow(e, op, job) ? job : NULL;
}

bool apply_finds_task(struct engine *e, struct op *op, struct job_state *job)
{
	if (!op->task_id[0] || working_set_find_task(&e->rows, job, slice_of(op->task_id)))
		return true;
	return e->rows.failure ? false
	                       : problem_set(&op->problem, OUTCOME_NOT_FOUND,
	                                     "the job has no task \"%s\"", op->task_id);
}
