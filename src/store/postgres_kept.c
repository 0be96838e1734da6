#include "postgres_kept.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"

#define ROWS_MAX 10000     /* of jobs and tasks */
#define TEXT_MAX 4096      /* bytes of the texts of a row; a row with more is read each time */
#define SHARED_MAX 10000   /* jobs that others write too; then all are forgotten */
#define PAUSE_MIN_MS 1000  /* a job is not kept for so long after another node has written it */
#define PAUSE_MAX_MS 60000 /* the same, after it has happened often */
#define ANSWERS_MS 1000    /* answers are read for so long after one was there */
#define AGE_MAX (UINT32_C(1) << 30) /* numbers of transactions are used again after 2^32 */

static void drop_shared(struct pg_kept *k, struct pg_shared_job *job)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
	HASH_DEL(k->shared, job);
	HASH_DELETE(by_id, k->shared_by_id, job);
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
	pg_own_clear(&k->own);
	forget_shared(k);
}

/* ---- using ---- */

/* One that the transaction has already, or one that it can have.  NULL: there is none. */
static struct pg_job *find_job(struct pg_kept *k, struct pg_cache *c, const char *id)
{
	struct pg_job *job = pg_cache_job(c, id);

	return job ? job : pg_cache_job(&k->rows, id);
}

/* The same.  NULL also if the row is of a time when that of the job was another one. */
static struct pg_task *find_task(struct pg_kept *k, struct pg_cache *c,
                                 const struct expected_task *e)
{
	const struct pg_job *job = find_job(k, c, e->job);

	if (!job || !pg_is_plain(e->id))
		return NULL;
	struct pg_task *task = pg_cache_task(c, job->row.key, e->id);
	if (!task)
		task = pg_cache_task(&k->rows, job->row.key, e->id);
	return task && task->generation == job->generation ? task : NULL;
}

static bool has_all(struct pg_kept *k, struct pg_cache *c, const struct expected *e)
{
	if (!e->job_count || e->created)
		return false;
	if (e->answer_count && clock_monotonic_ms() < k->answers_ms)
		return false;
	for (size_t i = 0; i < e->job_count; i++)
		if (!find_job(k, c, e->jobs[i].id))
			return false;
	for (size_t i = 0; i < e->task_count; i++)
		if (!find_task(k, c, &e->tasks[i]))
			return false;
	for (size_t i = 0; i < e->answer_count; i++)
		if (!e->answers[i].job || !find_job(k, c, e->answers[i].job))
			return false;
	return true;
}

static void take_answer_to_be_absent(struct pg_cache *c, const struct expected_answer *e)
{
	char scope[ID_MAX + 1];

	job_scope(pg_cache_job(c, e->job)->row.key, scope);
	if (pg_cache_answer(c, scope, e->key))
		return;
	pg_cache_no_answer(c, scope, e->key);
	struct pg_answer *answer = pg_cache_answer(c, scope, e->key);
	answer->unread = true;
	memcpy(answer->row.scope, scope, sizeof(scope));
	snprintf(answer->row.key, sizeof(answer->row.key), "%s", e->key);
}

/* A row may be expected twice. */
bool pg_kept_use(struct pg_kept *k, struct pg_cache *c, const struct expected *e)
{
	if (!has_all(k, c, e))
		return false;
	for (size_t i = 0; i < e->task_count; i++) {
		struct pg_task *task = find_task(k, c, &e->tasks[i]);
		if (!pg_cache_task(c, task->job, e->tasks[i].id))
			pg_cache_move_task(&k->rows, c, task);
	}
	for (size_t i = 0; i < e->job_count; i++)
		if (!pg_cache_job(c, e->jobs[i].id))
			pg_cache_move_job(&k->rows, c, pg_cache_job(&k->rows, e->jobs[i].id));
	for (size_t i = 0; i < e->answer_count; i++)
		take_answer_to_be_absent(c, &e->answers[i]);
	return true;
}

void pg_kept_checks(const struct pg_cache *c, struct pg_rows *checks)
{
	for (const struct pg_job *job = c->jobs; job; job = job->hh.next) {
		if (job->state != PG_STORED)
			continue;
		assert(job->version && !job->under_way);
		pg_put_i64(checks, job->row.key);
		pg_put_xid(checks, job->version);
	}
}

/* ---- saving ---- */

static struct pg_shared_job *find_shared_of_key(const struct pg_kept *k, int64_t key)
{
	struct pg_shared_job *job;

	HASH_FIND(hh, k->shared, &key, sizeof(key), job);
	return job;
}

static bool is_shared(const struct pg_kept *k, int64_t key)
{
	const struct pg_shared_job *job = find_shared_of_key(k, key);

	return job && job->until_ms > clock_monotonic_ms();
}

static bool is_short(const char *one, const char *other)
{
	return (one ? strlen(one) : 0) + (other ? strlen(other) : 0) <= TEXT_MAX;
}

/* Whether the row is that of the database, and stays it until somebody writes it. */
static bool is_kept(const struct pg_kept *k, const struct pg_job *job)
{
	return job->state == PG_STORED && (job->version || job->under_way) && !job->row.ended &&
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
		task->written = false;
		task->relied = 0;
		pg_own_forget(&k->own, task);
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

	if (is_old) {
		k->oldest = version;
		pg_own_clear(&k->own);
	}
	if (is_old || HASH_COUNT(k->rows.jobs) + HASH_COUNT(k->rows.tasks) > ROWS_MAX)
		pg_cache_forget(&k->rows);
}

static void save(struct pg_kept *k, struct pg_cache *c, uint32_t version)
{
	for (struct pg_job *job = c->jobs; job; job = job->hh.next)
		if (!job->generation)
			job->generation = ++k->generations;
	save_tasks(k, c);
	save_jobs(k, c);
	limit(k, version);
}

void pg_kept_save(struct pg_kept *k, struct pg_cache *c, uint32_t version)
{
	for (struct pg_job *job = c->jobs; job; job = job->hh.next) {
		job->version = job->written ? version : job->version;
		job->written = false;
	}
	save(k, c, version);
}

/* ---- a transaction that was sent ---- */

bool pg_kept_have_versions(const struct pg_cache *c)
{
	for (const struct pg_job *job = c->jobs; job; job = job->hh.next)
		if (job->under_way)
			return false;
	return true;
}

static void note_sent(struct pg_sent *sent, const struct pg_job *job)
{
	if (sent->count == sent->cap) {
		sent->cap = sent->cap ? sent->cap * 2 : 16;
		sent->jobs = xrealloc(sent->jobs, sent->cap * sizeof(*sent->jobs));
	}
	struct pg_sent_job *one = &sent->jobs[sent->count++];
	*one = (struct pg_sent_job){ .key = job->row.key,
		                     .version = job->version,
		                     .written = job->written };
	memcpy(one->id, job->row.id, sizeof(one->id));
}

void pg_kept_send(struct pg_kept *k, struct pg_cache *c, bool relies, struct pg_sent *sent)
{
	sent->count = 0;
	for (struct pg_job *job = c->jobs; job; job = job->hh.next) {
		if (job->state != PG_STORED)
			continue;
		note_sent(sent, job);
		job->under_way = job->written;
		job->written = false;
	}
	save(k, c, 0);
	if (relies)
		pg_own_forget_all(&k->own, c);
	else
		pg_own_send(&k->own, c);
}

void pg_kept_committed(struct pg_kept *k, struct pg_cache *c, const struct pg_sent *sent,
                       uint32_t version)
{
	for (size_t i = 0; i < sent->count; i++) {
		struct pg_job *job = sent->jobs[i].written ? find_job(k, c, sent->jobs[i].id)
		                                           : NULL;
		if (!job || !job->under_way)
			continue;
		job->version = version;
		job->under_way = false;
	}
	pg_own_committed(&k->own, version);
	limit(k, version);
}

void pg_kept_forget(struct pg_kept *k, const struct pg_sent *sent)
{
	for (size_t i = 0; i < sent->count; i++) {
		struct pg_job *job = pg_cache_job(&k->rows, sent->jobs[i].id);
		if (job)
			pg_cache_drop_job(&k->rows, job);
	}
}

/* ---- jobs that others write too ---- */

void pg_kept_answers_failed(struct pg_kept *k)
{
	k->answers_ms = clock_monotonic_ms() + ANSWERS_MS;
}

static struct pg_shared_job *find_shared(const struct pg_kept *k, const char *id)
{
	struct pg_shared_job *job;

	HASH_FIND(by_id, k->shared_by_id, id, strlen(id), job);
	return job;
}

/* An older one of the same id was deleted. */
static void add_shared(struct pg_kept *k, struct pg_shared_job *job)
{
	struct pg_shared_job *old = find_shared(k, job->id);

	if (old)
		drop_shared(k, old);
	HASH_ADD(hh, k->shared, key, sizeof(job->key), job);
	HASH_ADD_KEYPTR(by_id, k->shared_by_id, job->id, strlen(job->id), job);
}

static struct pg_shared_job *find_or_add_shared(struct pg_kept *k, int64_t key, const char *id)
{
	struct pg_shared_job *job = find_shared_of_key(k, key);

	if (job)
		return job;
	if (HASH_COUNT(k->shared) >= SHARED_MAX)
		forget_shared(k);
	job = xcalloc(1, sizeof(*job));
	job->key = key;
	job->pause_ms = PAUSE_MIN_MS;
	snprintf(job->id, sizeof(job->id), "%s", id);
	add_shared(k, job);
	return job;
}

void pg_kept_failed(struct pg_kept *k, int64_t key, const char *id, uint32_t version)
{
	find_or_add_shared(k, key, id)->version = version;
}

static void do_not_keep(struct pg_shared_job *job)
{
	job->until_ms = clock_monotonic_ms() + job->pause_ms;
	job->pause_ms = job->pause_ms * 2 < PAUSE_MAX_MS ? job->pause_ms * 2 : PAUSE_MAX_MS;
}

/* It is kept, but was read because a row of another job is not. */
static bool is_another_version(struct pg_kept *k, const char *id, int64_t key, uint32_t version)
{
	const struct pg_job *kept = pg_cache_job(&k->rows, id);

	return kept && kept->row.key == key && kept->version && kept->version != version;
}

bool pg_kept_was_read(struct pg_kept *k, const char *id, int64_t key, uint32_t version)
{
	bool others = is_another_version(k, id, key, version);
	struct pg_shared_job *job = others ? find_or_add_shared(k, key, id)
	                                   : find_shared_of_key(k, key);

	if (!job)
		return false;
	others |= job->version && job->version != version;
	job->version = 0;
	if (others)
		do_not_keep(job);
	if (!job->until_ms) { /* it has failed because of another job */
		drop_shared(k, job);
		return false;
	}
	return is_shared(k, key);
}

void pg_kept_task_was_read(struct pg_kept *k, int64_t job, struct slice id, uint32_t version)
{
	if (find_shared_of_key(k, job))
		pg_own_was_read(&k->own, job, id, version);
}

const struct pg_own_task *pg_kept_own_task(const struct pg_kept *k, const struct expected_task *e)
{
	const struct pg_shared_job *job = find_shared(k, e->job);

	return job && pg_is_plain(e->id) ? pg_own_find(&k->own, job->key, e->id) : NULL;
}

void pg_kept_is_another(struct pg_kept *k, int64_t key)
{
	struct pg_shared_job *job = find_shared_of_key(k, key);

	if (job)
		drop_shared(k, job);
}
