#include "precondition.h"

#include <stdio.h>

#include "joblight/core/cursor.h"
#include "joblight/core/entity_tag.h"

/* What the request is about: whether it exists, and its tag ("": it has none). */
struct target {
	bool exists;
	char etag[CURSOR_MAX + 3];
};

/* False: the conditions do not matter, because the op is refused anyway, or the store failed. */
static bool find_target(struct engine *e, const struct op *op, struct target *t)
{
	struct job_state *job;

	t->exists = true;
	if (op->kind == OP_JOB_CREATE || op->kind == OP_KEY_CREATE || op->kind == OP_KEY_REVOKE)
		return true;
	job = working_set_find_job(&e->rows, op->job_id);
	if (!job || (op->kind != OP_JOB_DELETE && job_status_terminal(job->row.status)))
		return false;
	if (op->kind == OP_TASK_PUT)
		t->exists = working_set_find_task(&e->rows, job, op->tasks->id) != NULL;
	if (op->kind == OP_JOB_PATCH || op->kind == OP_JOB_DELETE)
		snprintf(t->etag, sizeof(t->etag), "\"%s.%llu\"", job->row.epoch,
		         (unsigned long long)job->row.seq);
	return !e->rows.failure;
}

bool precondition_holds(struct engine *e, struct op *op)
{
	struct slice match = buf_as_slice(&op->if_match), none = buf_as_slice(&op->if_none_match);
	struct target t = { 0 };

	if ((!match.len && !none.len) || !find_target(e, op, &t))
		return !e->rows.failure;
	if (match.len && !(t.exists && entity_tags_name(match, t.etag, COMPARE_STRONG)))
		return problem_set(&op->problem, OUTCOME_PRECONDITION_FAILED,
		                   "If-Match does not have the current ETag%s%s",
		                   t.etag[0] ? ", which is " : "", t.etag);
	if (none.len && t.exists && entity_tags_name(none, t.etag, COMPARE_WEAK))
		return problem_set(&op->problem, OUTCOME_PRECONDITION_FAILED,
		                   "If-None-Match has the current ETag, or * and this exists");
	return true;
}
