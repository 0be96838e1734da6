#include "postgres_kept.h"

#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"

#define ROWS_MAX 10000     /* of jobs and tasks */
#define TEXT_MAX 4096      /* bytes of the texts of a row; a row with more is read each time */
#define SHARED_MAX 10000   /* jobs that others write too; then all are forgotten */
#define PAUSE_MIN_MS 1000  /* a job is not kept for so long after another node has written it */
#define PAUSE_MAX_MS 60000 /* the same, after it has happened often */
#define AGE_MAX (UINT32_C(1) << 30) /* numbers of transactions are used again after 2^32 */

static void drop_shared(struct pg_kept *k, struct pg_shared_job *job)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
	HASH_DEL(k->shared, job);
	free(job);
}

static void forget_shared(struct pg_kept *k)
{
	struct pg_shared_job *job, *next;

	HASH_ITER(hh, k->shared, job, next)
		drop_shared(k, job);
}

void pg_kept_clear(struct pg_kept *k)
{
	pg_cache_forget(&k->rows);
	forget_shared(k);
}

/* ---- using ---- */

/* NULL: it is not there, or of a time when the row of the job was another one. */
static struct pg_task *find_task(struct pg_kept *k, const struct expected_task *e)
{
	const struct pg_job *job = pg_cache_job(&k->rows, e->job);
	struct pg_task *task = job && pg_is_plain(e->id)
	                           ? pg_cache_task(&k->rows, job->row.key, e->id)
	                           : NULL;

	return task && task->generation == job->generation ? task : NULL;
}

static bool has_all(struct pg_kept *k, const struct expected *e)
{
	if (!e->job_count || e->answer_count || e->created)
		return false;
	for (size_t i = 0; i < e->job_count; i++)
		if (!pg_cache_job(&k->rows, e->jobs[i].id))
			return false;
	for (size_t i = 0; i < e->task_count; i++)
		if (!find_task(k, &e->tasks[i]))
			return false;
	return true;
}

/* A row may be expected twice. */
bool pg_kept_use(struct pg_kept *k, struct pg_cache *c, const struct expected *e,
                 struct pg_rows *checks)
{
	if (!has_all(k, e))
		return false;
	for (size_t i = 0; i < e->task_count; i++) {
		struct pg_task *task = find_task(k, &e->tasks[i]);
		if (task)
			pg_cache_move_task(&k->rows, c, task);
	}
	for (size_t i = 0; i < e->job_count; i++) {
		struct pg_job *job = pg_cache_job(&k->rows, e->jobs[i].id);
		if (!job)
			continue;
		pg_put_i64(checks, job->row.key);
		pg_put_i64(checks, job->version);
		pg_cache_move_job(&k->rows, c, job);
	}
	return true;
}

/* ---- saving ---- */

static bool is_shared(const struct pg_kept *k, int64_t key)
{
	const struct pg_shared_job *job;

	HASH_FIND(hh, k->shared, &key, sizeof(key), job);
	return job && job->until_ms > clock_monotonic_ms();
}

static bool is_short(const char *one, const char *other)
{
	return (one ? strlen(one) : 0) + (other ? strlen(other) : 0) <= TEXT_MAX;
}

/* Whether the row is that of the database, and stays it until somebody writes it. */
static bool is_kept(const struct pg_kept *k, const struct pg_job *job)
{
	return job->state == PG_STORED && job->version && !job->row.ended &&
	       is_short(job->row.title, job->row.metadata) && !is_shared(k, job->row.key);
}

static void save_tasks(struct pg_kept *k, struct pg_cache *c)
{
	struct pg_task *task, *next;

	HASH_ITER(hh, c->tasks, task, next) {
		const struct pg_job *job = pg_cache_job_of_key(c, task->job);
		if (task->absent || !job || !is_kept(k, job) ||
		    !is_short(task->row.title, task->row.note))
			continue;
		task->is_read = true;
		task->generation = job->generation;
		pg_cache_move_task(c, &k->rows, task);
	}
}

/* What is not kept is not left behind as it was either. */
static void save_jobs(struct pg_kept *k, struct pg_cache *c)
{
	struct pg_job *job, *next, *old;

	HASH_ITER(hh, c->jobs, job, next) {
		old = pg_cache_job(&k->rows, job->row.id);
		if (is_kept(k, job))
			pg_cache_move_job(c, &k->rows, job);
		else if (old)
			pg_cache_drop_job(&k->rows, old);
	}
}

/* Numbers of transactions that are far apart could become the same. */
static void limit(struct pg_kept *k, uint32_t version)
{
	bool is_old = version && version - k->oldest > AGE_MAX;

	if (is_old)
		k->oldest = version;
	if (is_old || HASH_COUNT(k->rows.jobs) + HASH_COUNT(k->rows.tasks) > ROWS_MAX)
		pg_cache_forget(&k->rows);
}

void pg_kept_save(struct pg_kept *k, struct pg_cache *c, uint32_t version)
{
	for (struct pg_job *job = c->jobs; job; job = job->hh.next) {
		job->version = job->written ? version : job->version;
		job->written = false;
		if (!job->generation)
			job->generation = ++k->generations;
	}
	save_tasks(k, c);
	save_jobs(k, c);
	limit(k, version);
}

/* ---- jobs that others write too ---- */

void pg_kept_failed(struct pg_kept *k, const struct pg_cache *c)
{
	if (HASH_COUNT(k->shared) > SHARED_MAX)
		forget_shared(k);
	for (const struct pg_job *job = c->jobs; job; job = job->hh.next) {
		struct pg_shared_job *shared;
		HASH_FIND(hh, k->shared, &job->row.key, sizeof(job->row.key), shared);
		if (!shared) {
			shared = xcalloc(1, sizeof(*shared));
			shared->key = job->row.key;
			shared->pause_ms = PAUSE_MIN_MS;
			HASH_ADD(hh, k->shared, key, sizeof(shared->key), shared);
		}
		shared->version = job->version;
	}
}

void pg_kept_was_read(struct pg_kept *k, int64_t key, uint32_t version)
{
	struct pg_shared_job *job;

	HASH_FIND(hh, k->shared, &key, sizeof(key), job);
	if (!job || !job->version)
		return;
	bool is_same = job->version == version;
	job->version = 0;
	if (is_same && !job->until_ms) /* the transaction has failed because of another job */
		drop_shared(k, job);
	if (is_same)
		return;
	job->until_ms = clock_monotonic_ms() + job->pause_ms;
	job->pause_ms = job->pause_ms * 2 < PAUSE_MAX_MS ? job->pause_ms * 2 : PAUSE_MAX_MS;
}
