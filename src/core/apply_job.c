#include "apply.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/credential.h"
#include "joblight/core/encode.h"
#include "result.h"
#include "day_log.h"
#include "event_log.h"
#include "silence.h"

void apply_make_epoch(struct engine *e, char epoch[EPOCH_LEN + 1])
{
	uint8_t entropy[EPOCH_LEN];

	e->entropy(entropy, sizeof(entropy));
	epoch_format(entropy, epoch);
}

static void new_job_row(struct engine *e, const struct op *op, struct job_row *row)
{
	*row = (struct job_row){
		.status = JOB_PENDING, .created = e->now, .updated = e->now, .first = 1
	};
	apply_set_id(e, row->id, slice_of(op->job_id), e->now);
	apply_make_epoch(e, row->epoch);
	row->title = xmemdup(op->title.ptr, op->title.len);
	row->metadata = op->has_metadata ? xmemdup(op->metadata.ptr, op->metadata.len)
	                                 : xstrdup("{}");
	if (op->has_status)
		row->status = op->status;
	if (op->has_silence)
		row->silence_ms = op->silence_ms;
	if (job_status_terminal(row->status))
		row->ended = e->now;
	if (op->by)
		snprintf(row->creator, sizeof(row->creator), "%s", credential_owner(op->by));
}

/*
 * Whether the key of the operation may have one more open job.  Jobs that ended in this transaction
 * are not written yet, so they are written before the limit is believed.
 */
static bool check_open_jobs(struct engine *e, struct op *op)
{
	uint64_t max = e->limits->jobs_per_key, count = 0;

	if (!max || !op->by)
		return true;
	const char *key = credential_owner(op->by);
	enum store_result r = e->store->ops->open_jobs(e->store, key, max, &count);
	if (r == STORE_OK && count >= max) {
		r = working_set_flush(&e->rows);
		if (r == STORE_OK)
			r = e->store->ops->open_jobs(e->store, key, max, &count);
	}
	if (store_failed(e, r))
		return false;
	return count < max ||
	       problem_set(&op->problem, OUTCOME_TOO_MANY_JOBS,
	                   "the key has %llu jobs that have not ended, which is the limit",
	                   (unsigned long long)max);
}

/* Adds the tasks of a new job.  False: an id is given twice, and the caller drops the job. */
static bool add_first_tasks(struct engine *e, struct op *op, struct job_state *job)
{
	for (size_t i = 0; i < op->task_count; i++) {
		const struct task_change *change = &op->tasks[i];
		char field[48];
		if (change->id.len && working_set_find_task(&e->rows, job, change->id)) {
			snprintf(field, sizeof(field), "tasks[%zu].id", i);
			return problem_field(&op->problem, OUTCOME_INVALID_FIELD, field,
			                     "is given twice");
		}
		working_set_touch_task(job, apply_new_task(e, job, change, e->now));
	}
	return true;
}

/* Copies the task rows in order of creation, which is the order of the hash table's list.  The
 * copies do not own their strings. */
static struct task_row *rows_of(const struct job_state *job)
{
	struct task_row *rows = xcalloc(job->row.tasks, sizeof(*rows));
	size_t i = 0;

	for (struct task_state *t = job->tasks; t; t = t->hh.next)
		rows[i++] = t->row;
	return rows;
}

bool apply_job_create(struct engine *e, struct op *op)
{
	struct job_row row;

	if (op->job_id[0] && working_set_find_job(&e->rows, op->job_id))
		return problem_set(&op->problem, OUTCOME_JOB_EXISTS,
		                   "there is a job \"%s\" already", op->job_id);
	if (e->rows.failure || !check_open_jobs(e, op))
		return false;
	new_job_row(e, op, &row);
	struct job_state *job = working_set_keep_job(&e->rows, &row);
	if (!add_first_tasks(e, op, job)) {
		working_set_drop_job(&e->rows, job);
		return false;
	}
	if (store_failed(e, e->store->ops->job_put(e->store,
	                                           &job->row))) /* the key is needed from here on */
		return false;
	struct task_row *tasks = rows_of(job);
	bool ok = event_log_job(e, job, JOB_UPDATE_CREATED | JOB_UPDATE_METADATA, tasks,
	                        job->row.tasks);
	if (ok) {
		result_position(op, job, 1, 1);
		result_created_job(op, job, tasks);
		op->problem.outcome = OUTCOME_CREATED;
	}
	free(tasks);
	return ok;
}

bool apply_job_patch(struct engine *e, struct op *op)
{
	struct job_state *job = apply_find_open_job(e, op);

	if (!job)
		return false;
	int64_t time = engine_job_time(e, job), limit = job->row.silence_ms;
	uint64_t before = job->row.seq;
	if (op->has_title)
		apply_set_text(&job->row.title, op->title);
	if (op->has_metadata)
		apply_set_text(&job->row.metadata, buf_as_slice(&op->metadata));
	if (op->has_status)
		job->row.status = op->status;
	if (op->has_silence)
		job->row.silence_ms = op->silence_ms;
	if (job_status_terminal(job->row.status))
		job->row.ended = time;
	if (!event_log_job(e, job, op->has_metadata ? JOB_UPDATE_METADATA : 0, NULL, 0) ||
	    !silence_limit_changed(e, job, limit))
		return false;
	result_position(op, job, before + 1, job->row.seq);
	result_job(op, job);
	return true;
}

static bool remember_deleted(struct engine *e, const struct job_row *job)
{
	struct idempotency_row row = { .time = e->now,
		                       .outcome = OUTCOME_NO_CONTENT,
		                       .seq_last = job->seq };
	char nothing[] = "";

	memcpy(row.scope, job->id, sizeof(job->id));
	deleted_key(job->epoch, row.key);
	memcpy(row.epoch, job->epoch, sizeof(job->epoch));
	row.body = nothing;
	return !store_failed(e, e->store->ops->idempotency_put(e->store, &row));
}

/* The streams of the job end.  The deletion is published with the events, so that it arrives
 * after them. */
bool apply_remove_job(struct engine *e, struct op *op, struct job_state *job)
{
	if (!day_log_removes(e, job) ||
	    store_failed(e, e->store->ops->job_delete(e->store, &job->row)) ||
	    !remember_deleted(e, &job->row))
		return false;
	event_log_deletion(e, &job->row);
	op->problem.outcome = OUTCOME_NO_CONTENT;
	working_set_drop_job(&e->rows, job);
	return true;
}

bool apply_job_delete(struct engine *e, struct op *op)
{
	struct job_state *job = working_set_find_job(&e->rows, op->job_id);

	if (!job)
		return e->rows.failure ? false : problem_no_job(&op->problem, op->job_id);
	return apply_remove_job(e, op, job);
}

/* The search for such jobs may have run before the limit was changed. */
bool apply_job_expire(struct engine *e, struct op *op)
{
	struct job_state *job = working_set_find_job(&e->rows, op->job_id);
	int64_t kept_ms = (int64_t)e->limits->job_retention_ms;

	if (e->rows.failure)
		return false;
	if (!job || !job->row.ended || !kept_ms || job_kept_since(&job->row) >= e->now - kept_ms)
		return problem_no_job(&op->problem, op->job_id);
	return apply_remove_job(e, op, job);
}
