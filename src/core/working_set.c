#include "working_set.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

void working_set_init(struct working_set *w, struct store *store, const struct limits *limits)
{
	*w = (struct working_set){ .store = store, .limits = limits };
	list_init(&w->recent);
	list_init(&w->dirty);
}

void working_set_finish(struct working_set *w)
{
	working_set_drop_all(w);
}

bool working_set_failed(struct working_set *w, enum store_result r)
{
	if (r == STORE_OK || r == STORE_NONE)
		return false;
	w->failure = r;
	return true;
}

static void drop_task(struct working_set *w, struct job_state *job, struct task_state *task)
{
	HASH_DEL(job->tasks, task);
	list_remove(&task->dirty_link);
	task_row_finish(&task->row);
	free(task);
	w->cached_tasks--;
}

void working_set_drop_job(struct working_set *w, struct job_state *job)
{
	struct task_state *task, *next;

	HASH_ITER(hh, job->tasks, task, next)
		drop_task(w, job, task);
	/* The analyser does not know that an item of the table has valid links. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	HASH_DEL(w->jobs, job);
	list_remove(&job->link);
	list_remove(&job->dirty_link);
	list_remove(&job->day_link);
	job_row_finish(&job->row);
	free(job);
}

void working_set_drop_all(struct working_set *w)
{
	struct job_state *job, *next;

	HASH_ITER(hh, w->jobs, job, next)
		working_set_drop_job(w, job);
}

/* A job counts as one more task, so that jobs without tasks are bounded too. */
void working_set_trim(struct working_set *w)
{
	while (!list_empty(&w->recent) &&
	       w->cached_tasks + HASH_COUNT(w->jobs) > w->limits->cached_tasks)
		working_set_drop_job(w, container_of(w->recent.next, struct job_state, link));
}

struct job_state *working_set_keep_job(struct working_set *w, const struct job_row *row)
{
	struct job_state *job = xcalloc(1, sizeof(*job));

	job->row = *row;
	list_init(&job->dirty_tasks);
	list_init(&job->dirty_link);
	list_init(&job->day_link);
	list_append(&w->recent, &job->link);
	HASH_ADD_STR(w->jobs, row.id, job);
	return job;
}

struct job_state *working_set_find_job(struct working_set *w, const char *id)
{
	struct job_state *job;
	struct job_row row = { 0 };

	HASH_FIND_STR(w->jobs, id, job);
	if (job) {
		list_move(&w->recent, &job->link);
		return job;
	}
	enum store_result r = w->store->ops->job_get(w->store, id, &row);
	if (working_set_failed(w, r) || r == STORE_NONE)
		return NULL;
	return working_set_keep_job(w, &row);
}

struct task_state *working_set_keep_task(struct working_set *w, struct job_state *job,
                                         const struct task_row *row)
{
	struct task_state *task = xcalloc(1, sizeof(*task));

	task->row = *row;
	list_init(&task->dirty_link);
	HASH_ADD_STR(job->tasks, row.id, task);
	w->cached_tasks++;
	return task;
}

struct task_state *working_set_find_task(struct working_set *w, struct job_state *job,
                                         struct slice id)
{
	struct task_state *task;
	struct task_row row = { 0 };
	char name[ID_MAX + 1];

	HASH_FIND(hh, job->tasks, id.ptr, id.len, task);
	if (task || !job->row.key)
		return task;
	memcpy(name, id.ptr, id.len);
	name[id.len] = '\0';
	enum store_result r = w->store->ops->task_get(w->store, job->row.key, name, &row);
	if (working_set_failed(w, r) || r == STORE_NONE)
		return NULL;
	return working_set_keep_task(w, job, &row);
}

void working_set_touch_job(struct working_set *w, struct job_state *job)
{
	if (!job->dirty)
		list_append(&w->dirty, &job->dirty_link);
	job->dirty = true;
}

void working_set_touch_task(struct job_state *job, struct task_state *task)
{
	if (!task->dirty)
		list_append(&job->dirty_tasks, &task->dirty_link);
	task->dirty = true;
}

static bool write_job(struct working_set *w, struct job_state *job)
{
	if (working_set_failed(w, w->store->ops->job_put(w->store, &job->row)))
		return false;
	while (!list_empty(&job->dirty_tasks)) {
		struct task_state *task = container_of(job->dirty_tasks.next, struct task_state,
		                                       dirty_link);
		if (working_set_failed(w,
		                       w->store->ops->task_put(w->store, job->row.key, &task->row)))
			return false;
		task->dirty = false;
		list_remove(&task->dirty_link);
	}
	job->dirty = false;
	list_remove(&job->dirty_link);
	return true;
}

enum store_result working_set_flush(struct working_set *w)
{
	while (!list_empty(&w->dirty))
		if (!write_job(w, container_of(w->dirty.next, struct job_state, dirty_link)))
			return w->failure;
	return STORE_OK;
}
