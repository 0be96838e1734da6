#include "apply.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "result.h"
#include "event_log.h"
#include "silence.h"

/* Rows. */

/* Changes the fields that were given. */
static void change_task(struct task_row *row, const struct task_change *change, int64_t time)
{
	if (change->has_title)
		apply_set_text(&row->title, change->title);
	if (change->has_note == GIVEN_VALUE) {
		apply_set_text(&row->note, change->note);
	} else if (change->has_note == GIVEN_NULL) {
		free(row->note);
		row->note = NULL;
	}
	if (change->has_progress)
		row->progress = change->has_progress == GIVEN_VALUE ? change->progress : NAN;
	if (change->has_attempt)
		row->attempt = change->attempt;
	if (change->has_silence)
		row->silence_ms = change->silence_ms;
	if (change->has_status)
		task_row_set_status(row, change->status, time);
	row->updated = time;
}

static void new_task_row(struct engine *e, struct task_row *row, const struct task_change *change,
                         uint32_t position, int64_t time)
{
	*row = (struct task_row){
		.progress = NAN,
		.attempt = -1,
		.silence_ms = -1,
		.position = position,
		.created = time,
	};
	apply_set_id(e, row->id, change->id, time);
	row->title = xstrdup(row->id);
	change_task(row, change, time);
}

struct task_state *apply_new_task(struct engine *e, struct job_state *job,
                                  const struct task_change *change, int64_t time)
{
	struct task_row row;

	new_task_row(e, &row, change, job->row.tasks, time);
	silence_restart(e, job, &row);
	job->row.tasks++;
	return working_set_keep_task(&e->rows, job, &row);
}

/* An operation makes all its checks before its first change. */

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

/* A task that does not exist yet. */
struct new_task {
	int64_t attempt; /* the highest of the items so far; -1: none */
	UT_hash_handle hh;
};

/* The new tasks of the operation that is being checked. */
struct new_tasks {
	struct new_task *all; /* NULL: none */
	size_t count;
	struct new_task *by_id;
};

static void add_new_task(struct new_tasks *n, const struct op *op, size_t index, int64_t attempt)
{
	struct slice id = op->tasks[index].id;

	if (!n->all)
		n->all = xcalloc(op->task_count - index, sizeof(*n->all));
	struct new_task *task = &n->all[n->count++];
	task->attempt = attempt;
	if (index + 1 < op->task_count) /* others may be about it */
		HASH_ADD_KEYPTR(hh, n->by_id, id.ptr, id.len, task);
}

static bool check_new_task(struct new_tasks *n, struct op *op, size_t index)
{
	const struct task_change *change = &op->tasks[index];
	int64_t attempt = change->has_attempt ? change->attempt : -1;
	struct new_task *task;

	HASH_FIND(hh, n->by_id, change->id.ptr, change->id.len, task);
	if (!task)
		add_new_task(n, op, index, attempt);
	else if (change->has_attempt && attempt < task->attempt)
		return stale(op, index, change, task->attempt);
	else if (attempt > task->attempt)
		task->attempt = attempt;
	return true;
}

static void forget_new_tasks(struct new_tasks *n)
{
	HASH_CLEAR(hh, n->by_id);
	free(n->all);
}

static bool check_change(struct engine *e, struct op *op, size_t index, struct job_state *job,
                         struct new_tasks *n)
{
	struct slice id = op->tasks[index].id;
	struct task_state *task = id.len ? working_set_find_task(&e->rows, job, id) : NULL;

	if (e->rows.failure)
		return false;
	return task ? check_attempt(e, op, index, task) : check_new_task(n, op, index);
}

static bool check_changes(struct engine *e, struct op *op, struct job_state *job)
{
	struct new_tasks made = { 0 };
	bool ok = true;

	e->probe++;
	for (size_t i = 0; ok && i < op->task_count; i++)
		ok = check_change(e, op, i, job, &made);
	forget_new_tasks(&made);
	if (ok && made.count && job->row.tasks + made.count > e->limits->tasks_per_job)
		return problem_set(&op->problem, OUTCOME_TOO_MANY_TASKS,
		                   "a job holds at most %llu tasks",
		                   (unsigned long long)e->limits->tasks_per_job);
	return ok;
}

/* Operations. */

/* Applies and logs one change of one task.  *created: the task is new. */
static struct task_state *apply_change(struct engine *e, struct job_state *job,
                                       const struct task_change *change, bool *created)
{
	struct task_state *task = change->id.len ? working_set_find_task(&e->rows, job, change->id)
	                                         : NULL;
	int64_t time = engine_job_time(e, job);

	*created = !task;
	if (task) {
		change_task(&task->row, change, time);
		silence_restart(e, job, &task->row);
	} else {
		task = apply_new_task(e, job, change, time);
	}
	working_set_touch_task(job, task);
	return event_log_task(e, job, task) ? task : NULL;
}

bool apply_task_report(struct engine *e, struct op *op)
{
	struct job_state *job = apply_find_open_job(e, op);
	bool created;

	if (!job || !check_changes(e, op, job))
		return false;
	uint64_t before = job->row.seq;
	for (size_t i = 0; i < op->task_count; i++) {
		if (!apply_change(e, job, &op->tasks[i], &created))
			return false;
		result_report(op, job);
	}
	result_position(op, job, before + 1, job->row.seq);
	return true;
}

bool apply_task_put(struct engine *e, struct op *op)
{
	struct job_state *job = apply_find_open_job(e, op);
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
	result_position(op, job, job->row.seq, job->row.seq);
	result_task(op, job, task);
	op->problem.outcome = created ? OUTCOME_CREATED : OUTCOME_OK;
	return true;
}
