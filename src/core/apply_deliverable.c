#include "apply.h"

#include "joblight/base/xalloc.h"
#include "result.h"
#include "event_log.h"

static bool check_deliverable(struct engine *e, struct op *op, const struct job_state *job,
                              const char *id)
{
	struct deliverable_row row = { 0 };
	enum store_result r = e->store->ops->deliverable_get(e->store, job->row.key, id, &row);

	deliverable_row_finish(&row);
	if (store_failed(e, r))
		return false;
	if (r == STORE_OK)
		return problem_set(&op->problem, OUTCOME_DELIVERABLE_EXISTS,
		                   "the job has a deliverable \"%s\" already", id);
	if (job->row.deliverables >= e->limits->deliverables_per_job)
		return problem_set(&op->problem, OUTCOME_TOO_MANY_DELIVERABLES,
		                   "a job holds at most %llu deliverables",
		                   (unsigned long long)e->limits->deliverables_per_job);
	return true;
}

static char *text_or_none(struct slice text)
{
	return text.len ? xmemdup(text.ptr, text.len) : NULL;
}

bool apply_deliverable(struct engine *e, struct op *op)
{
	struct job_state *job = apply_find_open_job(e, op);

	if (!job)
		return false;
	struct deliverable_row row = { .created = engine_job_time(e, job) };
	apply_set_id(e, row.id, op->deliverable_id, row.created);
	if (!check_deliverable(e, op, job, row.id))
		return false;
	row.title = text_or_none(op->title);
	row.url = text_or_none(op->url);
	row.media_type = text_or_none(op->media_type);
	bool ok = !store_failed(e, e->store->ops->deliverable_put(e->store, job->row.key, &row));
	if (ok) {
		job->row.deliverables++;
		ok = event_log_deliverable(e, job, &row);
	}
	if (ok) {
		result_position(op, job, job->row.seq, job->row.seq);
		result_deliverable(op, job, &row);
		op->problem.outcome = OUTCOME_CREATED;
	}
	deliverable_row_finish(&row);
	return ok;
}
