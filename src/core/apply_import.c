/* Importing a job, piece by piece. */
#include <stdio.h>

#include "joblight/base/buf.h"
#include "apply.h"
#include "imports.h"

static bool copy_json(void *context, const struct event_row *row)
{
	buf_slice(context, row->json);
	return false;
}

/* The event of this seq, or nothing. */
static bool read_event(struct engine *e, int64_t key, uint64_t seq, struct buf *json)
{
	return !store_failed(
	    e, e->store->ops->events(e->store, key, seq - 1, false, 1, copy_json, json));
}

/* Whether the log of the import begins with that of the job: then it has the job's last event. */
static bool continues(struct engine *e, const struct import *i, const struct job_state *job)
{
	struct buf mine = { 0 }, theirs = { 0 };
	bool same = read_event(e, job->row.key, job->row.seq, &mine) &&
	            read_event(e, job_import_key(i->job), job->row.seq, &theirs) && mine.len &&
	            mine.len == theirs.len && memcmp(mine.ptr, theirs.ptr, mine.len) == 0;

	buf_finish(&mine);
	buf_finish(&theirs);
	return same;
}

/*
 * With the same epoch, clients go on after their last event.  That is right if no other events can
 * follow it: in a job that has ended, or when the caller knows.
 */
static bool keeps_epoch(struct engine *e, const struct op *op, const struct import *i,
                        const struct job_state *job)
{
	const struct job_row *row = job_import_row(i->job);

	if (op->job_id[0] && strcmp(op->job_id, row->id) != 0)
		return false;
	if (op->keep_epoch)
		return true;
	if (job && strcmp(job->row.epoch, row->epoch) == 0)
		return row->ended && continues(e, i, job);
	return row->ended > 0;
}

static void set_answer(struct op *op, const struct job_row *row, bool kept)
{
	memcpy(op->job_id, row->id, sizeof(op->job_id));
	memcpy(op->epoch, row->epoch, sizeof(op->epoch));
	op->problem.outcome = OUTCOME_CREATED;
	buf_format(&op->body,
	           "{\"id\":\"%s\",\"epoch\":\"%s\",\"epochKept\":%s,\"seq\":%llu,\"first\":%llu,"
	           "\"tasks\":%u,\"deliverables\":%u}\n",
	           row->id, row->epoch, kept ? "true" : "false", (unsigned long long)row->seq,
	           (unsigned long long)row->first, row->tasks, row->deliverables);
}

static bool make_job(struct engine *e, struct op *op, struct import *i, struct job_state *job)
{
	bool keep = keeps_epoch(e, op, i, job);
	char epoch[EPOCH_LEN + 1];
	struct job_row row;

	memcpy(epoch, job_import_row(i->job)->epoch, sizeof(epoch));
	if (!keep)
		apply_make_epoch(e, epoch);
	if (e->rows.failure || (job && !apply_remove_job(e, op, job)))
		return false;
	enum store_result r = job_import_adopt(i->job, epoch, e->now, &row);
	/* If another node has removed what was written, the other job has to stay. */
	if (store_failed(e, r == STORE_NONE ? STORE_CONFLICT : r))
		return false;
	i->done = true;
	set_answer(op, &row, keep);
	return true;
}

/* All of it has come. */
static bool finish(struct engine *e, struct op *op, struct import *i)
{
	if (!job_import_is_complete(i->job, &op->problem))
		return false;
	const char *id = op->job_id[0] ? op->job_id : job_import_row(i->job)->id;
	struct job_state *job = working_set_find_job(&e->rows, id);
	if (e->rows.failure)
		return false;
	if (job && !op->replace)
		return problem_set(&op->problem, OUTCOME_JOB_EXISTS,
		                   "there is a job \"%s\" already; replace it, or import under "
		                   "another id",
		                   id);
	return make_job(e, op, i, job);
}

static bool take(struct engine *e, struct op *op, struct import *i)
{
	imports_touch(i);
	i->used = e->steady;
	if (store_failed(
	        e, job_import_take(i->job, buf_as_slice(&op->payload), e->steady, &op->problem)) ||
	    outcome_is_error(op->problem.outcome))
		return false;
	op->problem.outcome = OUTCOME_NO_CONTENT;
	op->unchanged = op->import_step != IMPORT_LAST;
	return op->unchanged || finish(e, op, i);
}

static void add_words(struct problem *p, const char *words)
{
	size_t len = strlen(p->detail);

	snprintf(p->detail + len, sizeof(p->detail) - len, "%s", words);
}

bool apply_job_import(struct engine *e, struct op *op)
{
	struct import *i = imports_find(e, op);

	if (op->import_step == IMPORT_DROP) {
		op->problem.outcome = OUTCOME_NO_CONTENT;
		op->unchanged = true;
		return !i || imports_drop(e, i);
	}
	if (!i)
		i = imports_begin(e, op);
	if (!i)
		return false;
	if (take(e, op, i))
		return true;
	if (!e->rows.failure)
		imports_drop(e, i);
	add_words(&op->problem, "; nothing was imported");
	return false;
}
