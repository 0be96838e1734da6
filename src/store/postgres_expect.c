/*
 * The first round of a group of operations: it locks the rows of the jobs, and reads what the
 * operations are expected to need.
 */
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "postgres.h"

/* The lock is taken row after row in this order, on every node.  The server sorts the array once
 * more for each row that another transaction has written meanwhile. */
PG_SQL(sql_jobs_lock,
       "SELECT " PG_JOB_COLUMNS ", j.xmin::text::int8 FROM jobs j WHERE j.id = ANY ($1::text[]) "
       "ORDER BY j.key FOR NO KEY UPDATE OF j");
/* OFFSET 0 keeps the planner from joining in another order.  A plan that is made while the tables
 * are small would otherwise read all tasks, or all answers, of a job to find one. */
PG_SQL(sql_expected_tasks,
       "SELECT " PG_TASK_COLUMNS ", t.job, t.version FROM unnest($1::text[], $2::text[]) AS "
       "x(job, id) JOIN jobs j ON j.id = x.job CROSS JOIN LATERAL (SELECT o.*, "
       "o.xmin::text::int8 AS version FROM tasks o "
       "WHERE o.job = j.key AND o.id = x.id OFFSET 0) t");
PG_SQL(sql_expected_answers,
       "SELECT " PG_ANSWER_COLUMNS ", j.key FROM unnest($1::text[], $2::text[]) AS x(job, key) "
       "JOIN jobs j ON j.id = x.job CROSS JOIN LATERAL (SELECT * FROM idempotency o "
       "WHERE o.scope = '#' || j.key::text AND o.key = x.key OFFSET 0) a");
PG_SQL(sql_expected_others,
       "SELECT " PG_ANSWER_COLUMNS " FROM unnest($1::text[], $2::text[]) AS x(scope, key) "
       "JOIN idempotency a ON a.scope = x.scope AND a.key = x.key");
PG_SQL(sql_expected_keys, "SELECT nextval('jobs_key') FROM generate_series(1, $1::int8)");

/* Where the results of the first round are; SIZE_MAX: that was not asked for. */
struct expecting {
	size_t jobs, tasks, answers, others, keys;
	/* For each of the tasks: what is used instead of reading it, or NULL. */
	const struct pg_own_task **own;
};

static size_t add_rows(struct pg_session *s, const struct pg_sql *sql, struct pg_rows *rows)
{
	size_t at = pg_link_add_rows(&s->link, sql, rows);

	pg_rows_finish(rows);
	return at;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each operation expects its job, and a job is locked once. */
static size_t add_jobs(struct pg_session *s, const struct expected *e)
{
	struct pg_rows rows = { .types = "t" };
	const char **ids = xcalloc(e->job_count, sizeof(*ids));

	for (size_t i = 0; i < e->job_count; i++)
		ids[i] = e->jobs[i].id;
	qsort(ids, e->job_count, sizeof(*ids), by_id);
	for (size_t i = 0; i < e->job_count; i++)
		if (pg_is_plain(slice_of(ids[i])) && (!i || strcmp(ids[i], ids[i - 1]) != 0))
			pg_put_text(&rows, ids[i]);
	free(ids);
	return add_rows(s, &sql_jobs_lock, &rows);
}

static void find_own_tasks(const struct pg_session *s, const struct expected *e,
                           struct expecting *at)
{
	at->own = xcalloc(e->task_count, sizeof(const struct pg_own_task *));
	for (size_t i = 0; i < e->task_count; i++)
		at->own[i] = pg_kept_own_task(&s->kept, &e->tasks[i]);
}

static size_t add_tasks(struct pg_session *s, const struct expected *e, const struct expecting *at)
{
	struct pg_rows rows = { .types = "tt" };

	for (size_t i = 0; i < e->task_count; i++) {
		if (at->own[i] || !pg_is_plain(slice_of(e->tasks[i].job)) ||
		    !pg_is_plain(e->tasks[i].id))
			continue;
		pg_put_text(&rows, e->tasks[i].job);
		pg_put_slice(&rows, e->tasks[i].id);
	}
	return add_rows(s, &sql_expected_tasks, &rows);
}

static size_t add_answers(struct pg_session *s, const struct expected *e, bool of_jobs)
{
	struct pg_rows rows = { .types = "tt" };

	for (size_t i = 0; i < e->answer_count; i++) {
		const struct expected_answer *a = &e->answers[i];
		const char *scope = of_jobs ? a->job : a->scope;
		if (of_jobs != !!a->job || !pg_is_plain(slice_of(scope)))
			continue;
		pg_put_text(&rows, scope);
		pg_put_text(&rows, a->key);
	}
	return add_rows(s, of_jobs ? &sql_expected_answers : &sql_expected_others, &rows);
}

static size_t add_keys(struct pg_session *s, const struct expected *e)
{
	struct pg_args args = { 0 };

	if (!e->created)
		return SIZE_MAX;
	pg_arg_u64(&args, e->created);
	size_t at = pg_link_add(&s->link, &sql_expected_keys, &args);
	pg_args_finish(&args);
	return at;
}

/* A job that is not there may have been made again while the lock was waited for, so its absence
 * only counts if it is created: then the insert fails. */
static void take_jobs(struct pg_session *s, const struct expected *e, size_t at)
{
	const PGresult *result = at == SIZE_MAX ? NULL : pg_link_result(&s->link, at);
	int rows = result ? PQntuples(result) : 0;

	for (int i = 0; i < rows; i++) {
		pg_keep_job(s, result, i);
		s->base.shares |= pg_kept_was_read(&s->kept, pg_text(result, i, 1),
		                                   pg_i64(result, i, 0),
		                                   (uint32_t)pg_i64(result, i, 18));
	}
	for (size_t i = 0; i < e->job_count; i++)
		if (e->jobs[i].created && !pg_cache_job(&s->cache, e->jobs[i].id))
			pg_keep_absence(s, e->jobs[i].id, PG_ABSENT);
}

static void take_task(struct pg_session *s, const PGresult *result, int row)
{
	struct task_row borrowed, copy;
	int64_t job = pg_i64(result, row, 14);

	pg_task_from(result, row, &borrowed);
	pg_copy_task(&copy, &borrowed);
	pg_cache_put_task(&s->cache, job, &copy)->is_read = true;
	pg_kept_task_was_read(&s->kept, job, slice_of(copy.id), (uint32_t)pg_i64(result, row, 15));
}

/* A task of an older job with the same id is not used. */
static void use_own_tasks(struct pg_session *s, const struct expected *e,
                          const struct expecting *at)
{
	for (size_t i = 0; i < e->task_count; i++) {
		const struct pg_job *job = at->own[i] ? pg_cache_job(&s->cache, e->tasks[i].job)
		                                      : NULL;
		if (!job || job->state != PG_STORED)
			continue;
		if (job->row.key != at->own[i]->job) {
			pg_kept_is_another(&s->kept, at->own[i]->job);
			continue;
		}
		pg_own_use(at->own[i], &s->cache);
		s->owns = true;
	}
}

/* A row of a job that is not locked could be changed by another node. */
static void take_tasks(struct pg_session *s, const struct expected *e, const struct expecting *at)
{
	const PGresult *result = at->tasks == SIZE_MAX ? NULL : pg_link_result(&s->link, at->tasks);
	int rows = result ? PQntuples(result) : 0;

	use_own_tasks(s, e, at);
	for (int i = 0; i < rows; i++)
		if (pg_cache_job_of_key(&s->cache, pg_i64(result, i, 14)))
			take_task(s, result, i);
	for (size_t i = 0; i < e->task_count; i++) {
		const struct pg_job *job = pg_cache_job(&s->cache, e->tasks[i].job);
		if (!at->own[i] && job && job->state == PG_STORED && pg_is_plain(e->tasks[i].id))
			pg_cache_no_task(&s->cache, job->row.key, e->tasks[i].id);
	}
}

static void take_answers(struct pg_session *s, size_t at, bool of_jobs)
{
	const PGresult *result = at == SIZE_MAX ? NULL : pg_link_result(&s->link, at);
	int rows = result ? PQntuples(result) : 0;
	struct idempotency_row borrowed, copy;

	for (int i = 0; i < rows; i++) {
		if (of_jobs && !pg_cache_job_of_key(&s->cache, pg_i64(result, i, 9)))
			continue;
		pg_answer_from(result, i, &borrowed);
		pg_copy_answer(&copy, &borrowed);
		pg_cache_put_answer(&s->cache, &copy);
	}
}

static void take_absent_answers(struct pg_session *s, const struct expected *e)
{
	char scope[ID_MAX + 1];

	for (size_t i = 0; i < e->answer_count; i++) {
		const struct expected_answer *a = &e->answers[i];
		const struct pg_job *job = a->job ? pg_cache_job(&s->cache, a->job) : NULL;
		if (a->job && (!job || job->state != PG_STORED))
			continue;
		if (job)
			job_scope(job->row.key, scope);
		pg_cache_no_answer(&s->cache, job ? scope : a->scope, a->key);
	}
}

static void take_keys(struct pg_session *s, size_t at)
{
	const PGresult *result = at == SIZE_MAX ? NULL : pg_link_result(&s->link, at);
	int rows = result ? PQntuples(result) : 0;

	if (!rows)
		return;
	s->cache.keys = xcalloc((size_t)rows, sizeof(*s->cache.keys));
	for (int i = 0; i < rows; i++) /* the last one is taken first */
		s->cache.keys[rows - 1 - i] = pg_i64(result, i, 0);
	s->cache.key_count = (size_t)rows;
}

/* A transaction has kept rows, or rows that it has read.  The next round checks the kept ones; one
 * round may have shown before that the server can be written. */
static enum store_result expect_kept(struct pg_session *s, const struct expected *rows)
{
	if (!s->writer || (s->begun && s->cache.jobs) || !pg_kept_use(&s->kept, &s->cache, rows))
		return STORE_EARLY;
	s->relies = true;
	if (s->begun)
		pg_queue_checks(s);
	return STORE_OK;
}

static void take_all(struct pg_session *s, const struct expected *e, const struct expecting *at)
{
	take_jobs(s, e, at->jobs);
	take_tasks(s, e, at);
	take_answers(s, at->answers, true);
	take_answers(s, at->others, false);
	take_absent_answers(s, e);
	take_keys(s, at->keys);
}

enum store_result postgres_expect(struct store *base, const struct expected *rows)
{
	struct pg_session *s = pg_session(base);
	struct expecting at;
	enum store_result r;

	if (s->failed)
		return s->failed;
	r = expect_kept(s, rows);
	if (r == STORE_OK || s->relies || s->early)
		return r;
	find_own_tasks(s, rows, &at);
	pg_queue_begin(s);
	at.jobs = add_jobs(s, rows);
	at.tasks = add_tasks(s, rows, &at);
	at.answers = add_answers(s, rows, true);
	at.others = add_answers(s, rows, false);
	at.keys = add_keys(s, rows);
	r = pg_finish_round(s);
	if (r == STORE_OK)
		take_all(s, rows, &at);
	free(at.own);
	return r;
}
