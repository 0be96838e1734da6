#include "silence.h"

#include "joblight/base/xalloc.h"
#include "apply.h"
#include "event_log.h"

struct kept_tasks {
	struct engine *engine;
	struct job_state *job;
};

void silence_restart(const struct engine *e, const struct job_state *job, struct task_row *row)
{
	int64_t limit = row->silence_ms < 0 ? job->row.silence_ms : row->silence_ms;

	row->stalled = false;
	row->stall_at = row->status == TASK_IN_PROGRESS && limit ? e->steady + limit : 0;
}

static bool uses_limit_of_job(const struct task_row *row)
{
	return row->status == TASK_IN_PROGRESS && row->silence_ms < 0;
}

/* Rows in memory are kept: they may be newer than the store's. */
static bool keep_task(void *context, const struct task_row *row)
{
	const struct kept_tasks *w = context;
	struct task_state *known;
	struct task_row copy = *row;

	HASH_FIND_STR(w->job->tasks, row->id, known);
	if (known || !uses_limit_of_job(row))
		return true;
	copy.title = xstrdup(row->title);
	copy.note = row->note ? xstrdup(row->note) : NULL;
	working_set_keep_task(&w->engine->rows, w->job, &copy);
	return true;
}

/* Moves the deadline to the new limit after the same last report.  A task whose last report is
 * unknown gets the whole limit. */
static bool move_deadline(struct engine *e, struct job_state *job, struct task_state *task,
                          int64_t before)
{
	int64_t limit = job->row.silence_ms, stall_at = task->row.stall_at;
	bool was_stalled = task->row.stalled;

	silence_restart(e, job, &task->row);
	if (stall_at && limit)
		task->row.stall_at = stall_at - before + limit;
	if (!was_stalled && stall_at == task->row.stall_at)
		return true;
	if (was_stalled)
		task->row.updated = engine_job_time(e, job);
	working_set_touch_job(&e->rows, job);
	working_set_touch_task(job, task);
	return !was_stalled || event_log_task(e, job, task);
}

bool silence_limit_changed(struct engine *e, struct job_state *job, int64_t before)
{
	struct kept_tasks w = { e, job };
	enum store_result r;

	if (job->row.silence_ms == before || job_status_terminal(job->row.status))
		return true;
	r = e->store->ops->tasks(e->store, job->row.key, 0, keep_task, &w);
	if (store_failed(e, r))
		return false;
	for (struct task_state *task = job->tasks; task; task = task->hh.next)
		if (uses_limit_of_job(&task->row) && !move_deadline(e, job, task, before))
			return false;
	return true;
}

/*
 * The search for silent tasks may have run before the task's last report.  Then nothing happens. In
 * a job that has ended nothing is logged: the task only loses its deadline, and the job's row does
 * not change.
 */
bool apply_stall(struct engine *e, struct op *op)
{
	struct job_state *job = working_set_find_job(&e->rows, op->job_id);
	struct task_state *task = job ? working_set_find_task(&e->rows, job, slice_of(op->task_id))
	                              : NULL;

	if (!task || !task->row.stall_at || task->row.stall_at > e->steady)
		return false;
	task->row.stall_at = 0;
	if (job_status_terminal(job->row.status))
		return !store_failed(e,
		                     e->store->ops->task_put(e->store, job->row.key, &task->row));
	task->row.stalled = true;
	task->row.updated = engine_job_time(e, job);
	working_set_touch_task(job, task);
	return event_log_task(e, job, task);
}
