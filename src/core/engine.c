#include "joblight/core/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/encode.h"
#include "joblight/core/cursor.h"
#include "working_set.h"

struct engine {
	struct store *store;
	const struct limits *limits;
	entropy_fn *entropy;
	struct working_set rows;
	struct batch *batch;
	int64_t now, steady; /* of the transaction: wall time, and steady time for silence */
	bool keys_expire;    /* in this transaction */
	uint64_t probe;      /* number of the current check */
};

struct engine *engine_create(struct store *store, const struct limits *limits, entropy_fn *entropy)
{
	struct engine *e = xcalloc(1, sizeof(*e));

	e->store = store;
	e->limits = limits;
	e->entropy = entropy;
	working_set_init(&e->rows, store, limits);
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	working_set_finish(&e->rows);
	batch_release(e->batch);
	free(e);
}

static bool broken(struct engine *e, enum store_result r)
{
	return working_set_broken(&e->rows, r);
}

/* Events. */

/* Time within a job never goes back, even when the wall clock does. */
static int64_t job_time(const struct engine *e, const struct job_state *job)
{
	return e->now > job->row.updated ? e->now : job->row.updated;
}

static struct event *begin_event(struct engine *e, struct job_state *job, enum event_type type)
{
	struct event *event = batch_add(e->batch);

	job->row.updated = job_time(e, job);
	job->row.seq++;
	memcpy(event->job_id, job->row.id, sizeof(event->job_id));
	memcpy(event->epoch, job->row.epoch, sizeof(event->epoch));
	event->seq = job->row.seq;
	event->type = type;
	event->json_at = e->batch->text.len;
	working_set_touch_job(&e->rows, job);
	return event;
}

/* The JSON was appended to the batch's text; job->row.key exists by now. */
static bool log_event_row(struct engine *e, struct job_state *job, struct event *event)
{
	event->json_len = e->batch->text.len - event->json_at;
	event->job_status = job->row.status;
	struct event_row row = {
		.seq = event->seq,
		.type = event->type,
		.time = job->row.updated,
		.json = event_json(e->batch, event),
	};
	return !broken(e, e->store->ops->event_add(e->store, job->row.key, &row));
}

static bool log_task_update(struct engine *e, struct job_state *job, const struct task_state *task)
{
	struct event *event = begin_event(e, job, EVENT_TASK_UPDATE);

	encode_task_update(&e->batch->text, job->row.id, event->seq, job->row.updated, &task->row);
	return log_event_row(e, job, event);
}

static bool log_job_update(struct engine *e, struct job_state *job, unsigned extra,
                           const struct task_row *tasks, size_t count)
{
	struct event *event = begin_event(e, job, EVENT_JOB_UPDATE);
	struct buf *text = &e->batch->text;

	encode_job_update(text, &job->row, event->seq, job->row.updated, extra, tasks, count);
	bool ok = log_event_row(e, job, event);
	event->title_at = text->len;
	event->title_len = strlen(job->row.title);
	buf_text(text, job->row.title);
	return ok;
}

static bool log_deliverable(struct engine *e, struct job_state *job,
                            const struct deliverable_row *deliverable)
{
	struct event *event = begin_event(e, job, EVENT_DELIVERABLE);

	encode_deliverable_event(&e->batch->text, job->row.id, event->seq, job->row.updated,
	                         deliverable);
	return log_event_row(e, job, event);
}

static bool log_command(struct engine *e, struct job_state *job, const struct command *command)
{
	struct event *event = begin_event(e, job, EVENT_COMMAND);

	encode_command(&e->batch->text, job->row.id, event->seq, job->row.updated, command);
	return log_event_row(e, job, event);
}

/* Answers. */

static void answer_position(struct op *op, const struct job_state *job, uint64_t first,
                            uint64_t last)
{
	memcpy(op->epoch, job->row.epoch, sizeof(op->epoch));
	op->seq_first = first;
	op->seq_last = last;
}

/* The snapshot of a job that this op made, from the rows at hand. */
static void answer_created_job(struct op *op, const struct job_state *job,
                               const struct task_row *tasks)
{
	buf_char(&op->body, '{');
	encode_job_head(&op->body, &job->row);
	buf_text(&op->body, ",\"tasks\":[");
	for (size_t i = 0; i < op->task_count; i++) {
		if (i)
			buf_char(&op->body, ',');
		encode_task(&op->body, &tasks[i]);
	}
	buf_text(&op->body, "],\"deliverables\":[]");
	encode_job_position(&op->body, &job->row);
	buf_char(&op->body, '\n');
}

static void answer_job(struct op *op, const struct job_state *job)
{
	buf_char(&op->body, '{');
	encode_job_head(&op->body, &job->row);
	encode_job_position(&op->body, &job->row);
	buf_char(&op->body, '\n');
}

static void answer_task(struct op *op, const struct job_state *job, const struct task_state *task)
{
	encode_task(&op->body, &task->row);
	op->body.len--; /* its closing brace: the position goes inside */
	encode_job_position(&op->body, &job->row);
	buf_char(&op->body, '\n');
}

static void answer_deliverable(struct op *op, const struct job_state *job,
                               const struct deliverable_row *deliverable)
{
	encode_deliverable(&op->body, deliverable);
	op->body.len--; /* its closing brace: the position goes inside */
	encode_job_position(&op->body, &job->row);
	buf_char(&op->body, '\n');
}

static void answer_report(struct op *op, const struct job_state *job)
{
	buf_text(&op->body, "{\"ok\":true,\"seq\":");
	buf_u64(&op->body, job->row.seq);
	buf_text(&op->body, ",\"cursor\":\"");
	cursor_add(&op->body, job->row.epoch, job->row.seq);
	buf_text(&op->body, "\"\n");
}

/* Tasks. */

static void set_text(char **field, struct slice text)
{
	free(*field);
	*field = xmemdup(text.ptr, text.len);
}

static void set_task_status(struct task_row *row, enum task_status status, int64_t time)
{
	bool was_over = task_status_terminal(row->status), is_over = task_status_terminal(status);

	if (status == TASK_IN_PROGRESS && (!row->started || was_over))
		row->started = time;
	if (is_over && !was_over)
		row->ended = time;
	if (!is_over)
		row->ended = 0;
	row->status = status;
}

/* Merges what was given; what was not stays. */
static void change_task(struct task_row *row, const struct task_change *change, int64_t time)
{
	if (change->has_title)
		set_text(&row->title, change->title);
	if (change->has_note == GIVEN_VALUE) {
		set_text(&row->note, change->note);
	} else if (change->has_note == GIVEN_NULL) {
		free(row->note);
		row->note = NULL;
	}
	if (change->has_progress)
		row->progress = change->has_progress == GIVEN_VALUE ? change->progress : NAN;
	if (change->has_attempt)
		row->attempt = change->attempt;
	if (change->has_heartbeat)
		row->heartbeat_ms = change->heartbeat_ms;
	if (change->has_status)
		set_task_status(row, change->status, time);
	row->updated = time;
}

/* A word about the task: from now on it may be silent again, for as long as it or its job says. */
static void expect_word(const struct engine *e, const struct job_state *job, struct task_row *row)
{
	int64_t patience = row->heartbeat_ms < 0 ? job->row.heartbeat_ms : row->heartbeat_ms;

	row->stalled = false;
	row->stall_at = row->status == TASK_IN_PROGRESS && patience ? e->steady + patience : 0;
}

/* The id that was given, or a new one. */
static void set_id(struct engine *e, char out[ID_MAX + 1], struct slice given, int64_t time)
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

static void new_task_row(struct engine *e, struct task_row *row, const struct task_change *change,
                         uint32_t position, int64_t time)
{
	*row = (struct task_row){
		.progress = NAN,
		.attempt = -1,
		.heartbeat_ms = -1,
		.position = position,
		.created = time,
	};
	set_id(e, row->id, change->id, time);
	row->title = xstrdup(row->id);
	change_task(row, change, time);
}

static struct task_state *add_task(struct engine *e, struct job_state *job,
                                   const struct task_change *change, int64_t time)
{
	struct task_row row;

	new_task_row(e, &row, change, job->row.tasks, time);
	expect_word(e, job, &row);
	job->row.tasks++;
	return working_set_keep_task(&e->rows, job, &row);
}

/* Checks: all of an op's before any of its changes. */

static bool stale(struct op *op, size_t index, const struct task_change *change, int64_t current)
{
	char where[32] = "";

	if (op->batch)
		snprintf(where, sizeof(where), "[%zu]: ", index);
	return problem_set(&op->problem, OUTCOME_STALE_ATTEMPT,
	                   "%sattempt %lld is over, the task is at attempt %lld; stop this worker",
	                   where, (long long)change->attempt, (long long)current);
}

static bool check_attempt(struct engine *e, struct op *op, size_t index, struct task_state *task)
{
	const struct task_change *change = &op->tasks[index];

	if (task->probe != e->probe) {
		task->probe = e->probe;
		task->probe_attempt = task->row.attempt;
	}
	if (!change->has_attempt)
		return true;
	if (change->attempt < task->probe_attempt)
		return stale(op, index, change, task->probe_attempt);
	task->probe_attempt = change->attempt;
	return true;
}

/* The highest attempt that earlier items of this batch gave to a task that does not exist yet; -2:
 * none did. */
static int64_t earlier_attempt(const struct op *op, size_t index)
{
	struct slice id = op->tasks[index].id;
	int64_t highest = -2;

	for (size_t i = 0; i < index; i++) {
		const struct task_change *t = &op->tasks[i];
		if (t->id.len != id.len || memcmp(t->id.ptr, id.ptr, id.len) != 0)
			continue;
		int64_t attempt = t->has_attempt ? t->attempt : -1;
		highest = attempt > highest ? attempt : highest;
	}
	return highest;
}

static bool check_changes(struct engine *e, struct op *op, struct job_state *job)
{
	uint64_t added = 0;

	e->probe++;
	for (size_t i = 0; i < op->task_count; i++) {
		const struct task_change *change = &op->tasks[i];
		struct task_state *task = change->id.len
		                              ? working_set_find_task(&e->rows, job, change->id)
		                              : NULL;
		if (e->rows.failure)
			return false;
		if (task) {
			if (!check_attempt(e, op, i, task))
				return false;
			continue;
		}
		int64_t attempt = earlier_attempt(op, i);
		if (attempt == -2)
			added++;
		else if (change->has_attempt && change->attempt < attempt)
			return stale(op, i, change, attempt);
	}
	if (job->row.tasks + added > e->limits->tasks_per_job)
		return problem_set(&op->problem, OUTCOME_TOO_MANY_TASKS,
		                   "a job holds at most %llu tasks",
		                   (unsigned long long)e->limits->tasks_per_job);
	return true;
}

static struct job_state *find_open_job(struct engine *e, struct op *op)
{
	struct job_state *job = working_set_find_job(&e->rows, op->job_id);

	if (!job) {
		problem_set(&op->problem, OUTCOME_NOT_FOUND, "there is no job \"%s\"", op->job_id);
		return NULL;
	}
	if (job_status_terminal(job->row.status)) {
		problem_set(&op->problem, OUTCOME_JOB_ENDED,
		            "the job is %s: nothing can be added to it",
		            job_status_text(job->row.status));
		return NULL;
	}
	return job;
}

/* One change to one task, logged.  *created: it was not known. */
static struct task_state *apply_change(struct engine *e, struct job_state *job,
                                       const struct task_change *change, bool *created)
{
	struct task_state *task = change->id.len ? working_set_find_task(&e->rows, job, change->id)
	                                         : NULL;
	int64_t time = job_time(e, job);

	*created = !task;
	if (task) {
		change_task(&task->row, change, time);
		expect_word(e, job, &task->row);
	} else {
		task = add_task(e, job, change, time);
	}
	working_set_touch_task(job, task);
	return log_task_update(e, job, task) ? task : NULL;
}

/* The operations.  False: refused or failed; both are written down already. */

static bool report(struct engine *e, struct op *op)
{
	struct job_state *job = find_open_job(e, op);
	bool created;

	if (!job || !check_changes(e, op, job))
		return false;
	uint64_t before = job->row.seq;
	for (size_t i = 0; i < op->task_count; i++) {
		if (!apply_change(e, job, &op->tasks[i], &created))
			return false;
		answer_report(op, job);
	}
	answer_position(op, job, before + 1, job->row.seq);
	return true;
}

static bool put_task(struct engine *e, struct op *op)
{
	struct job_state *job = find_open_job(e, op);
	bool created;

	if (!job)
		return false;
	if (op->kind == OP_TASK_CREATE && op->tasks->id.len &&
	    working_set_find_task(&e->rows, job, op->tasks->id))
		return problem_set(&op->problem, OUTCOME_TASK_EXISTS,
		                   "the job has a task \"%.*s\" already", (int)op->tasks->id.len,
		                   op->tasks->id.ptr);
	if (e->rows.failure || !check_changes(e, op, job))
		return false;
	struct task_state *task = apply_change(e, job, op->tasks, &created);
	if (!task)
		return false;
	answer_position(op, job, job->row.seq, job->row.seq);
	answer_task(op, job, task);
	op->problem.outcome = created ? OUTCOME_CREATED : OUTCOME_OK;
	return true;
}

static void make_epoch(struct engine *e, char epoch[EPOCH_LEN + 1])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint8_t entropy[EPOCH_LEN];

	e->entropy(entropy, sizeof(entropy));
	for (int i = 0; i < EPOCH_LEN; i++)
		epoch[i] = digits[entropy[i] & 31];
	epoch[EPOCH_LEN] = '\0';
}

static void new_job_row(struct engine *e, const struct op *op, struct job_row *row)
{
	*row = (struct job_row){
		.status = JOB_PENDING, .created = e->now, .updated = e->now, .first = 1
	};
	set_id(e, row->id, slice_of(op->job_id), e->now);
	make_epoch(e, row->epoch);
	row->title = xmemdup(op->title.ptr, op->title.len);
	row->metadata = op->has_metadata ? xmemdup(op->metadata.ptr, op->metadata.len)
	                                 : xstrdup("{}");
	if (op->has_status)
		row->status = op->status;
	if (op->has_heartbeat)
		row->heartbeat_ms = op->heartbeat_ms;
	if (job_status_terminal(row->status))
		row->ended = e->now;
}

/* The tasks a job comes with; false: an id stands there twice, and the job is dropped again. */
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
		working_set_touch_task(job, add_task(e, job, change, e->now));
	}
	return true;
}

/* The rows in order of creation, which is the order of the hash table's list.  Borrowed. */
static struct task_row *rows_of(const struct job_state *job)
{
	struct task_row *rows = xcalloc(job->row.tasks, sizeof(*rows));
	size_t i = 0;

	for (struct task_state *t = job->tasks; t; t = t->hh.next)
		rows[i++] = t->row;
	return rows;
}

static bool create_job(struct engine *e, struct op *op)
{
	struct job_row row;

	if (op->job_id[0] && working_set_find_job(&e->rows, op->job_id))
		return problem_set(&op->problem, OUTCOME_JOB_EXISTS,
		                   "there is a job \"%s\" already", op->job_id);
	if (e->rows.failure)
		return false;
	new_job_row(e, op, &row);
	struct job_state *job = working_set_keep_job(&e->rows, &row);
	if (!add_first_tasks(e, op, job)) {
		working_set_drop_job(&e->rows, job);
		return false;
	}
	if (broken(e, e->store->ops->job_put(e->store,
	                                     &job->row))) /* its key is needed from here on */
		return false;
	struct task_row *tasks = rows_of(job);
	bool ok = log_job_update(e, job, JOB_UPDATE_CREATED | JOB_UPDATE_METADATA, tasks,
	                         job->row.tasks);
	if (ok) {
		answer_position(op, job, 1, 1);
		answer_created_job(op, job, tasks);
		op->problem.outcome = OUTCOME_CREATED;
	}
	free(tasks);
	return ok;
}

struct waited_for {
	struct engine *engine;
	struct job_state *job;
};

static bool goes_by_its_job(const struct task_row *row)
{
	return row->status == TASK_IN_PROGRESS && row->heartbeat_ms < 0;
}

/* Those in memory may be newer than the store's rows. */
static bool keep_waited_for(void *context, const struct task_row *row)
{
	const struct waited_for *w = context;
	struct task_state *known;
	struct task_row copy = *row;

	HASH_FIND_STR(w->job->tasks, row->id, known);
	if (known || !goes_by_its_job(row))
		return true;
	copy.title = xstrdup(row->title);
	copy.note = row->note ? xstrdup(row->note) : NULL;
	working_set_keep_task(&w->engine->rows, w->job, &copy);
	return true;
}

/* The same last word, another patience; one whose last word is not known any more may be silent
 * again. */
static bool expect_word_anew(struct engine *e, struct job_state *job, struct task_state *task,
                             int64_t before)
{
	int64_t patience = job->row.heartbeat_ms, stall_at = task->row.stall_at;
	bool was_stalled = task->row.stalled;

	expect_word(e, job, &task->row);
	if (stall_at && patience)
		task->row.stall_at = stall_at - before + patience;
	if (!was_stalled && stall_at == task->row.stall_at)
		return true;
	if (was_stalled)
		task->row.updated = job_time(e, job);
	working_set_touch_job(&e->rows, job);
	working_set_touch_task(job, task);
	return !was_stalled || log_task_update(e, job, task);
}

/* A change of how long a job's tasks may be silent applies to those that are in progress at once.
 */
static bool expect_anew(struct engine *e, struct job_state *job, int64_t before)
{
	struct waited_for w = { e, job };
	enum store_result r;

	if (job->row.heartbeat_ms == before || job_status_terminal(job->row.status))
		return true;
	r = e->store->ops->tasks(e->store, job->row.key, keep_waited_for, &w);
	if (broken(e, r))
		return false;
	for (struct task_state *task = job->tasks; task; task = task->hh.next)
		if (goes_by_its_job(&task->row) && !expect_word_anew(e, job, task, before))
			return false;
	return true;
}

static bool patch_job(struct engine *e, struct op *op)
{
	struct job_state *job = find_open_job(e, op);

	if (!job)
		return false;
	int64_t time = job_time(e, job), patience = job->row.heartbeat_ms;
	uint64_t before = job->row.seq;
	if (op->has_title)
		set_text(&job->row.title, op->title);
	if (op->has_metadata)
		set_text(&job->row.metadata, buf_as_slice(&op->metadata));
	if (op->has_status)
		job->row.status = op->status;
	if (op->has_heartbeat)
		job->row.heartbeat_ms = op->heartbeat_ms;
	if (job_status_terminal(job->row.status))
		job->row.ended = time;
	if (!log_job_update(e, job, op->has_metadata ? JOB_UPDATE_METADATA : 0, NULL, 0) ||
	    !expect_anew(e, job, patience))
		return false;
	answer_position(op, job, before + 1, job->row.seq);
	answer_job(op, job);
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
	return !broken(e, e->store->ops->idempotency_put(e->store, &row));
}

/* Its streams end; the message goes the way of the events so that it comes behind them. */
static bool delete_job(struct engine *e, struct op *op)
{
	struct job_state *job = working_set_find_job(&e->rows, op->job_id);

	if (!job)
		return e->rows.failure ? false
		                       : problem_set(&op->problem, OUTCOME_NOT_FOUND,
		                                     "there is no job \"%s\"", op->job_id);
	if (broken(e, e->store->ops->job_delete(e->store, &job->row)) ||
	    !remember_deleted(e, &job->row))
		return false;
	struct event *event = batch_add(e->batch);
	memcpy(event->job_id, job->row.id, sizeof(event->job_id));
	memcpy(event->epoch, job->row.epoch, sizeof(event->epoch));
	event->seq = job->row.seq;
	event->deleted = true;
	op->problem.outcome = OUTCOME_NO_CONTENT;
	working_set_drop_job(&e->rows, job);
	return true;
}

static bool check_deliverable(struct engine *e, struct op *op, const struct job_state *job,
                              const char *id)
{
	struct deliverable_row row = { 0 };
	enum store_result r = e->store->ops->deliverable_get(e->store, job->row.key, id, &row);

	deliverable_row_finish(&row);
	if (broken(e, r))
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

static bool add_deliverable(struct engine *e, struct op *op)
{
	struct job_state *job = find_open_job(e, op);

	if (!job)
		return false;
	struct deliverable_row row = { .created = job_time(e, job) };
	set_id(e, row.id, op->deliverable_id, row.created);
	if (!check_deliverable(e, op, job, row.id))
		return false;
	row.title = text_or_none(op->title);
	row.url = text_or_none(op->url);
	row.media_type = text_or_none(op->media_type);
	bool ok = !broken(e, e->store->ops->deliverable_put(e->store, job->row.key, &row));
	if (ok) {
		job->row.deliverables++;
		ok = log_deliverable(e, job, &row);
	}
	if (ok) {
		answer_position(op, job, job->row.seq, job->row.seq);
		answer_deliverable(op, job, &row);
		op->problem.outcome = OUTCOME_CREATED;
	}
	deliverable_row_finish(&row);
	return ok;
}

static bool command(struct engine *e, struct op *op)
{
	struct job_state *job = find_open_job(e, op);
	struct command said = { op->command, op->task_id, buf_as_slice(&op->args) };

	if (!job)
		return false;
	if (op->task_id[0] && !working_set_find_task(&e->rows, job, slice_of(op->task_id)))
		return e->rows.failure ? false
		                       : problem_set(&op->problem, OUTCOME_NOT_FOUND,
		                                     "the job has no task \"%s\"", op->task_id);
	if (!log_command(e, job, &said))
		return false;
	answer_position(op, job, job->row.seq, job->row.seq);
	answer_report(op, job);
	op->problem.outcome = OUTCOME_CREATED;
	return true;
}

/*
 * Whoever looked for silent tasks may have looked before the task's last word: then nothing
 * happens.  Nothing is logged in a job that has ended, where the task only stops being waited for;
 * the job's row stays as it is.
 */
static bool stall(struct engine *e, struct op *op)
{
	struct job_state *job = working_set_find_job(&e->rows, op->job_id);
	struct task_state *task = job ? working_set_find_task(&e->rows, job, slice_of(op->task_id))
	                              : NULL;

	if (!task || !task->row.stall_at || task->row.stall_at > e->steady)
		return false;
	task->row.stall_at = 0;
	if (job_status_terminal(job->row.status))
		return !broken(e, e->store->ops->task_put(e->store, job->row.key, &task->row));
	task->row.stalled = true;
	task->row.updated = job_time(e, job);
	working_set_touch_task(job, task);
	return log_task_update(e, job, task);
}

static bool (*const operations[OP_KIND_COUNT])(struct engine *, struct op *) = {
	[OP_JOB_CREATE] = create_job,
	[OP_JOB_PATCH] = patch_job,
	[OP_JOB_DELETE] = delete_job,
	[OP_TASK_CREATE] = put_task,
	[OP_TASK_PUT] = put_task,
	[OP_TASK_REPORT] = report,
	[OP_DELIVERABLE] = add_deliverable,
	[OP_COMMAND] = command,
	[OP_STALL] = stall,
};

/* Idempotency: the answer is committed with what it answers. */

static bool replay(struct op *op, const struct idempotency_row *row, const uint8_t *fingerprint)
{
	if (memcmp(row->fingerprint, fingerprint, DIGEST_LEN) != 0)
		return problem_set(
		    &op->problem, OUTCOME_IDEMPOTENCY_MISMATCH,
		    "this idempotency key was used for another request; use a new key");
	op->replayed = true;
	op->problem.outcome = (enum outcome)row->outcome;
	op->seq_first = row->seq_first;
	op->seq_last = row->seq_last;
	memcpy(op->epoch, row->epoch, sizeof(op->epoch));
	buf_text(&op->body, row->body);
	return true;
}

/* True: the op is answered (or refused, or the store failed) by what is remembered. */
static bool answered_before(struct engine *e, struct op *op, const char *scope,
                            const uint8_t *fingerprint)
{
	struct idempotency_row row = { 0 };
	enum store_result r = e->store->ops->idempotency_get(e->store, scope, op->key, &row);

	if (broken(e, r))
		return true;
	if (r == STORE_NONE)
		return false;
	bool expired = e->keys_expire && row.time + (int64_t)e->limits->idempotency_ms <= e->now;
	if (!expired)
		replay(op, &row, fingerprint);
	free(row.body);
	return !expired;
}

static void remember(struct engine *e, struct op *op, const char *scope, const uint8_t *fingerprint)
{
	struct idempotency_row row = {
		.time = e->now,
		.outcome = (int32_t)op->problem.outcome,
		.seq_first = op->seq_first,
		.seq_last = op->seq_last,
	};

	snprintf(row.scope, sizeof(row.scope), "%s", scope);
	memcpy(row.key, op->key, sizeof(row.key));
	memcpy(row.fingerprint, fingerprint, DIGEST_LEN);
	memcpy(row.epoch, op->epoch, sizeof(row.epoch));
	row.body = (char *)(uintptr_t)buf_string(&op->body);
	broken(e, e->store->ops->idempotency_put(e->store, &row));
}

/*
 * Where an op's key belongs.  A deletion takes the keys of its job with it, so its own belongs to
 * the job's id instead, which begins otherwise.  False: there is no such job, so nothing can be
 * remembered of it.
 */
static bool find_scope(struct engine *e, const struct op *op, char scope[ID_MAX + 1])
{
	scope[0] = '\0';
	if (op->kind == OP_JOB_DELETE)
		memcpy(scope, op->job_id, sizeof(op->job_id));
	if (op->kind == OP_JOB_CREATE || op->kind == OP_JOB_DELETE)
		return true;
	const struct job_state *job = working_set_find_job(&e->rows, op->job_id);
	if (job)
		job_scope(job->row.key, scope);
	return job;
}

static void apply_with_key(struct engine *e, struct op *op)
{
	char scope[ID_MAX + 1];
	uint8_t fingerprint[DIGEST_LEN];

	if (!find_scope(e, op, scope)) {
		if (!e->rows.failure)
			operations[op->kind](e, op);
		return;
	}

	op_fingerprint(op, fingerprint);
	if (answered_before(e, op, scope, fingerprint))
		return;
	if (operations[op->kind](e, op))
		remember(e, op, scope, fingerprint);
}

/* Transactions. */

enum store_result engine_begin(struct engine *e, int64_t wall_ms, int64_t steady_ms,
                               bool keys_expire)
{
	enum store_result r = e->store->ops->begin(e->store);

	if (r != STORE_OK)
		return r;
	e->now = wall_ms;
	e->steady = steady_ms;
	e->keys_expire = keys_expire;
	e->rows.failure = STORE_OK;
	e->batch = batch_create();
	return STORE_OK;
}

enum store_result engine_apply(struct engine *e, struct op *op)
{
	assert(e->batch && !e->rows.failure);
	if (outcome_is_error(op->problem.outcome))
		return STORE_OK; /* refused before it came: it is here to be answered in its turn */
	if (op->key[0])
		apply_with_key(e, op);
	else
		operations[op->kind](e, op);
	return e->rows.failure;
}

enum store_result engine_commit(struct engine *e, struct batch **batch)
{
	enum store_result r = working_set_flush(&e->rows);

	*batch = NULL;
	if (r == STORE_OK)
		r = e->store->ops->commit(e->store);
	if (r != STORE_OK) {
		engine_rollback(e);
		return r;
	}
	*batch = e->batch;
	e->batch = NULL;
	if (e->store->ops->exclusive)
		working_set_trim(&e->rows);
	else
		working_set_drop_all(&e->rows);
	return STORE_OK;
}

void engine_rollback(struct engine *e)
{
	e->store->ops->rollback(e->store);
	working_set_drop_all(&e->rows); /* the rows in memory may be ahead of the disk */
	batch_release(e->batch);
	e->batch = NULL;
	e->rows.failure = STORE_OK;
}

void engine_refuse(const struct engine *e, struct op *op)
{
	problem_finish(&op->problem);
	op->body.len = 0;
	op->replayed = false;
	op->seq_first = op->seq_last = 0;
	problem_set(&op->problem, OUTCOME_STORAGE_UNAVAILABLE,
	            "the store did not take it (%.120s); repeat it with the same idempotency key",
	            store_error(e->store));
}
