#include "joblight/core/query.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/encode.h"
#include "joblight/core/json.h"
#include "joblight/core/credential.h"
#include "joblight/core/keyring.h"

struct query_run {
	struct store *store;
	struct snapshot_source *source;
	struct buf *text; /* the output: the result's text, or a snapshot's */
	const struct read_query *query;
	struct read_result *result;
	size_t rows;
	int64_t last_key; /* of the last job listed */
	char last_id[ID_MAX + 1];
	uint64_t last_seq;
	bool more;
	struct part tasks, deliverables; /* of a snapshot being made */
};

static bool ok(struct query_run *x, enum store_result r)
{
	if (r == STORE_OK || r == STORE_NONE)
		return true;
	return problem_set(&x->result->problem, OUTCOME_STORAGE_UNAVAILABLE,
	                   "the store cannot be read (%.120s)", store_error(x->store));
}

static void comma(struct query_run *x)
{
	if (x->rows++)
		buf_char(x->text, ',');
}

static bool visit_task(void *context, const struct task_row *row)
{
	comma(context);
	encode_task(((struct query_run *)context)->text, row);
	return true;
}

static bool visit_deliverable(void *context, const struct deliverable_row *row)
{
	comma(context);
	encode_deliverable(((struct query_run *)context)->text, row);
	return true;
}

static bool add_tasks(struct query_run *x, const struct job_row *job)
{
	size_t at = x->text->len;

	x->rows = 0;
	buf_text(x->text, "\"tasks\":[");
	bool done = ok(x, x->store->ops->tasks(x->store, job->key, 0, visit_task, x));
	buf_char(x->text, ']');
	x->tasks = (struct part){ at, x->text->len - at };
	return done;
}

static bool add_deliverables(struct query_run *x, const struct job_row *job)
{
	size_t at = x->text->len;

	x->rows = 0;
	buf_text(x->text, "\"deliverables\":[");
	bool done = ok(x, x->store->ops->deliverables(x->store, job->key, visit_deliverable, x));
	buf_char(x->text, ']');
	x->deliverables = (struct part){ at, x->text->len - at };
	return done;
}

/* Appends everything of the job in this snapshot of the database. */
static bool add_job(struct query_run *x, const struct job_row *job)
{
	buf_char(x->text, '{');
	encode_job_head(x->text, job);
	buf_char(x->text, ',');
	if (!add_tasks(x, job))
		return false;
	buf_char(x->text, ',');
	if (!add_deliverables(x, job))
		return false;
	encode_job_position(x->text, job);
	buf_char(x->text, '}');
	return true;
}

static struct snapshot *make_snapshot(struct query_run *x, const struct job_row *job)
{
	struct snapshot *s = snapshot_create(job);

	x->text = &s->text;
	bool done = add_job(x, job);
	x->text = &x->result->text;
	s->rows_at = x->tasks.at;
	s->tasks = x->tasks;
	s->deliverables = x->deliverables;
	if (done) {
		buf_shrink(&s->text);
		return s;
	}
	snapshot_free(s);
	return NULL;
}

static void read_snapshot(struct query_run *x, const struct job_row *job)
{
	struct snapshot_source *source = x->source;
	struct read_result *r = x->result;

	r->snapshot = source ? source->find(source, job) : NULL;
	if (r->snapshot)
		return;
	if (source && !source->has_room(source)) {
		problem_set(&r->problem, OUTCOME_OVERLOADED,
		            "answers use too much memory; try again in a moment");
		return;
	}
	r->snapshot = make_snapshot(x, job);
	if (r->snapshot && source)
		source->add(source, r->snapshot);
}

static void read_head(struct query_run *x, const struct job_row *job)
{
	(void)x;
	(void)job; /* every result has the head of the job already */
}

/* The rows are a part of the snapshot, so readers of either share the same memory. */
static void read_tasks(struct query_run *x, const struct job_row *job)
{
	read_snapshot(x, job);
	if (x->result->snapshot)
		x->result->part = x->result->snapshot->tasks;
}

static void read_deliverables(struct query_run *x, const struct job_row *job)
{
	read_snapshot(x, job);
	if (x->result->snapshot)
		x->result->part = x->result->snapshot->deliverables;
}

/* Events after a position. */

static bool visit_event(void *context, const struct event_row *row)
{
	struct query_run *x = context;
	struct read_result *r = x->result;

	if (r->event_count && r->text.len + row->json.len > x->query->bytes)
		return false;
	if ((r->event_count & (r->event_count - 1)) == 0) /* a power of two: full */
		r->events = xrealloc(r->events, (r->event_count ? r->event_count * 2 : 1) *
		                                    sizeof(*r->events));
	r->events[r->event_count++] = (struct read_event){ row->seq, row->type, r->text.len,
		                                           row->json.len };
	buf_slice(&r->text, row->json);
	return true;
}

static bool visit_time(void *context, const struct event_row *row)
{
	*(int64_t *)context = row->time;
	return false;
}

/* The time of an event, which must exist. */
static bool event_time(struct query_run *x, const struct job_row *job, uint64_t seq, int64_t *time)
{
	return ok(x,
	          x->store->ops->events(x->store, job->key, seq - 1, false, 1, visit_time, time));
}

/* Finds the last event before `time` by bisection: times never decrease within a job. first - 1
 * when there is none. */
static bool seq_before_time(struct query_run *x, const struct job_row *job, int64_t time,
                            uint64_t *seq)
{
	uint64_t low = job->first, high = job->seq + 1; /* the result + 1 is in low .. high */

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		int64_t there = 0;
		if (!event_time(x, job, middle, &there))
			return false;
		if (there < time)
			low = middle + 1;
		else
			high = middle;
	}
	*seq = low - 1;
	return true;
}

/* Turns a time into the position before it.  A time that may reach into pruned events cannot be
 * served. */
static bool settle_position(struct query_run *x, const struct job_row *job, struct position *p)
{
	*p = x->query->position;
	if (p->kind != POSITION_TIME)
		return true;
	if (!seq_before_time(x, job, p->time, &p->seq))
		return false;
	if (job->first > 1 && p->seq < job->first)
		p->seq = 0;
	memcpy(p->epoch, job->epoch, sizeof(p->epoch));
	p->kind = POSITION_CURSOR;
	return true;
}

static void read_resume(struct query_run *x, const struct job_row *job)
{
	struct read_result *r = x->result;
	struct position p;

	if (!settle_position(x, job, &p))
		return;
	r->resume = position_resume(&p, job->epoch, job->first, job->seq, &r->reason);
	if (r->resume != RESUME_EXACT) {
		r->start = job->seq;
		read_snapshot(x, job);
		return;
	}
	r->start = p.seq;
	if (p.seq < job->seq)
		ok(x, x->store->ops->events(x->store, job->key, p.seq, false, x->query->limit,
		                            visit_event, x));
}

/* Whether a row of `len` bytes would exceed the page. */
static bool page_is_full(struct query_run *x, size_t len)
{
	const struct read_query *q = x->query;

	x->more = x->rows == q->limit || (x->rows && q->bytes && x->text->len + 1 + len > q->bytes);
	return x->more;
}

static bool visit_activity(void *context, const struct event_row *row)
{
	struct query_run *x = context;

	if (page_is_full(x, row->json.len))
		return false;
	comma(x);
	buf_slice(x->text, row->json);
	x->last_seq = row->seq;
	return true;
}

/* Whether some of the requested events are no longer in the log. */
static bool is_pruned(const struct query_run *x, const struct job_row *job)
{
	const struct read_query *q = x->query;

	if (job->first <= 1)
		return false;
	return q->descending ? !x->more && q->from > 1 : q->from + 1 < job->first;
}

/* Visits one row more than requested, to know whether there is a next page. */
static void read_activity(struct query_run *x, const struct job_row *job)
{
	const struct read_query *q = x->query;
	struct buf *text = x->text;

	buf_text(text, "{\"activity\":[");
	if (!ok(x, x->store->ops->events(x->store, job->key, q->from, q->descending, q->limit + 1,
	                                 visit_activity, x)))
		return;
	buf_char(text, ']');
	if (x->more)
		buf_format(text, ",\"nextAfter\":%llu", (unsigned long long)x->last_seq);
	if (is_pruned(x, job))
		buf_format(text, ",\"first\":%llu", (unsigned long long)job->first);
	buf_char(text, '}');
}

static bool count_tasks(struct query_run *x, const struct job_row *job, struct task_counts *counts)
{
	struct snapshot_source *source = x->source;

	if (source && source->find_counts(source, job, counts))
		return true;
	if (!ok(x, x->store->ops->task_counts(x->store, job->key, counts)))
		return false;
	if (source)
		source->add_counts(source, job, counts);
	return true;
}

static void add_counts(struct buf *out, const struct job_row *job, const struct task_counts *c)
{
	buf_format(out, ",\"taskCount\":%u", job->tasks);
	buf_format(
	    out, ",\"taskCounts\":{\"total\":%u,\"completed\":%u,\"failed\":%u,\"in_progress\":%u}",
	    c->total, c->completed, c->failed, c->in_progress);
	json_name(out, "progress");
	json_number(out, task_counts_progress(c));
}

/* Records the row that was written from `start` on: where its id is, and where it ends. */
static void note_row(struct read_result *r, size_t start, size_t id_len)
{
	if ((r->row_count & (r->row_count - 1)) == 0) /* a power of two: full */
		r->rows = xrealloc(r->rows,
		                   (r->row_count ? r->row_count * 2 : 1) * sizeof(*r->rows));
	r->rows[r->row_count++] = (struct read_row){ start + strlen("{\"id\":\""), id_len,
		                                     r->text.len - 1 };
}

static bool visit_job(void *context, const struct job_row *row)
{
	struct query_run *x = context;
	struct task_counts counts;

	if (x->query->viewer && !credential_covers(x->query->viewer, row->id))
		return true;
	if (page_is_full(x, strlen(row->metadata)))
		return false;
	if (!count_tasks(x, row, &counts))
		return false;
	comma(x);
	size_t start = x->text->len;
	buf_char(x->text, '{');
	encode_job_head(x->text, row);
	add_counts(x->text, row, &counts);
	encode_job_position(x->text, row);
	buf_char(x->text, '}');
	note_row(x->result, start, strlen(row->id));
	x->last_key = row->key;
	memcpy(x->last_id, row->id, sizeof(x->last_id));
	return true;
}

/* Keys count all jobs, so the token of a viewer is not a key but an id that it sees. */
static bool find_start(struct query_run *x, int64_t *below)
{
	struct job_row job = { 0 };

	*below = x->query->below;
	if (!x->query->job_id[0])
		return true;
	enum store_result r = x->store->ops->job_get(x->store, x->query->job_id, &job);
	if (r == STORE_OK)
		*below = job.key;
	job_row_finish(&job);
	if (!ok(x, r))
		return false;
	return r == STORE_OK || problem_set(&x->result->problem, OUTCOME_BAD_REQUEST,
	                                    "the job of pageToken is gone; begin again");
}

static void read_jobs(struct query_run *x)
{
	const struct read_query *q = x->query;
	struct buf *text = x->text;
	size_t limit = q->viewer ? SIZE_MAX : q->limit + 1;
	int64_t below;

	if (!find_start(x, &below))
		return;
	buf_text(text, "{\"jobs\":[");
	if (!ok(x, x->store->ops->jobs(x->store, q->status, below, limit, visit_job, x)) ||
	    outcome_is_error(x->result->problem.outcome))
		return;
	buf_char(text, ']');
	if (x->more && q->viewer)
		buf_format(text, ",\"nextPageToken\":\"%s\"", x->last_id);
	else if (x->more)
		buf_format(text, ",\"nextPageToken\":\"%lld\"", (long long)x->last_key);
	buf_char(text, '}');
}

static bool visit_head(void *context, const struct job_head *head)
{
	struct query_run *x = context;

	x->result->heads[x->result->head_count++] = *head;
	return true;
}

static void read_heads(struct query_run *x)
{
	const struct read_query *q = x->query;

	x->result->heads = xcalloc(q->id_count + 1, sizeof(*x->result->heads));
	ok(x, x->store->ops->job_heads(x->store, q->ids, q->id_count, visit_head, x));
}

static bool is_known(struct query_run *x)
{
	int64_t version = 0;
	enum store_result r = x->store->ops->keys_version(x->store, &version);

	return ok(x, r) && r == STORE_OK && (uint64_t)version == x->query->from;
}

static void read_keys(struct query_run *x)
{
	if (x->query->from && is_known(x))
		return;
	if (outcome_is_error(x->result->problem.outcome))
		return;
	ok(x, keyring_load(x->store, x->query->first_key, &x->result->keyring));
}

static void read_ticket(struct query_run *x)
{
	enum store_result r = x->store->ops->used_ticket_get(x->store, x->query->job_id);

	if (ok(x, r) && r == STORE_NONE)
		problem_set(&x->result->problem, OUTCOME_NOT_FOUND, "this ticket was not used");
}

static void (*const readers[])(struct query_run *, const struct job_row *) = {
	[READ_RESUME] = read_resume,
	[READ_HEAD] = read_head,
	[READ_JOB] = read_snapshot,
	[READ_TASKS] = read_tasks,
	[READ_DELIVERABLES] = read_deliverables,
	[READ_ACTIVITY] = read_activity,
};

/* Whether the position belongs to a job that was deleted, as long as that is remembered. */
static bool was_deleted(struct query_run *x)
{
	const struct read_query *q = x->query;
	struct idempotency_row row = { 0 };
	char key[KEY_MAX + 1];

	if (q->kind != READ_RESUME || q->position.kind != POSITION_CURSOR)
		return false;
	deleted_key(q->position.epoch, key);
	enum store_result r = x->store->ops->idempotency_get(x->store, q->job_id, key, &row);
	free(row.body);
	return ok(x, r) && r == STORE_OK;
}

static void read_of_job(struct query_run *x)
{
	struct job_row job = { 0 };
	enum store_result r = x->store->ops->job_get(x->store, x->query->job_id, &job);

	if (!ok(x, r))
		return;
	if (r == STORE_NONE) {
		x->result->deleted = was_deleted(x);
		if (outcome_is_error(x->result->problem.outcome))
			return;
		problem_no_job(&x->result->problem, x->query->job_id);
		return;
	}
	memcpy(x->result->epoch, job.epoch, sizeof(job.epoch));
	x->result->title = xstrdup(job.title);
	x->result->status = job.status;
	x->result->head = job.seq;
	readers[x->query->kind](x, &job);
	job_row_finish(&job);
}

static void read_export(struct query_run *x)
{
	const struct read_query *q = x->query;
	struct read_result *r = x->result;

	r->export = q->export;
	switch (job_export_page(x->store, q->job_id, &r->export, q->bytes, &r->text)) {
	case EXPORT_OK:
		return;
	case EXPORT_NO_JOB:
		problem_no_job(&r->problem, q->job_id);
		return;
	case EXPORT_CHANGED:
		problem_set(&r->problem, OUTCOME_PRECONDITION_FAILED,
		            "the job has changed in a way that the export cannot follow; begin "
		            "again");
		return;
	case EXPORT_FAILED:
		ok(x, STORE_BROKEN);
	}
}

/* The reads that are not of one job. */
static void (*const of_server[READ_KIND_COUNT])(struct query_run *) = {
	[READ_JOBS] = read_jobs, [READ_EXPORT] = read_export, [READ_HEADS] = read_heads,
	[READ_KEYS] = read_keys, [READ_TICKET] = read_ticket,
};

void read_run(struct store *store, struct snapshot_source *source, const struct read_query *q,
              struct read_result *result)
{
	struct query_run x = { .store = store,
		               .source = source,
		               .text = &result->text,
		               .query = q,
		               .result = result };

	if (!ok(&x, store->ops->begin(store)))
		return;
	if (of_server[q->kind])
		of_server[q->kind](&x);
	else
		read_of_job(&x);
	store->ops->rollback(store); /* nothing was written: this only ends the snapshot */
}
