/* The rows of jobs. */
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "postgres.h"

#define WALK_ROWS 256 /* that are read at once */

void pg_job_from(const PGresult *r, int row, struct job_row *job)
{
	*job = (struct job_row){
		.key = pg_i64(r, row, 0),
		.status = (enum job_status)pg_i64(r, row, 3),
		.seq = pg_u64(r, row, 4),
		.first = pg_u64(r, row, 5),
		.tasks = (uint32_t)pg_i64(r, row, 6),
		.deliverables = (uint32_t)pg_i64(r, row, 7),
		.silence_ms = pg_i64(r, row, 8),
		.created = pg_i64(r, row, 9),
		.updated = pg_i64(r, row, 10),
		.ended = pg_i64(r, row, 11),
		.title = pg_text(r, row, 12),
		.metadata = pg_text(r, row, 13),
		.bytes = pg_u64(r, row, 14),
		.pruned = pg_u64(r, row, 15),
		.imported = pg_i64(r, row, 16),
	};
	pg_copy(r, row, 1, job->id, sizeof(job->id));
	pg_copy(r, row, 2, job->epoch, sizeof(job->epoch));
	pg_copy(r, row, 17, job->creator, sizeof(job->creator));
}

void pg_keep_job(struct pg_session *s, const PGresult *result, int row)
{
	struct job_row borrowed, copy;

	pg_job_from(result, row, &borrowed);
	pg_copy_job(&copy, &borrowed);
	pg_cache_put_job(&s->cache, &copy, PG_STORED);
}

void pg_keep_absence(struct pg_session *s, const char *id, enum pg_state state)
{
	struct job_row row = { 0 };

	memcpy(row.id, id, strlen(id) + 1);
	pg_cache_put_job(&s->cache, &row, state);
}

/* ---- one job ---- */

PG_SQL(sql_job_get, "SELECT " PG_JOB_COLUMNS " FROM jobs j WHERE j.id = $1");
PG_SQL(sql_job_lock,
       "SELECT " PG_JOB_COLUMNS " FROM jobs j WHERE j.id = $1 FOR NO KEY UPDATE OF j");

static enum store_result look(struct pg_session *s, const struct pg_sql *sql, const char *id,
                              PGresult **result)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_text(&args, id);
	r = pg_look(s, sql, &args, result);
	pg_args_finish(&args);
	return r == STORE_OK && !PQntuples(*result) ? STORE_NONE : r;
}

static enum store_result read_job(struct pg_session *s, const char *id, struct job_row *row)
{
	struct job_row borrowed;
	PGresult *result;
	enum store_result r = look(s, &sql_job_get, id, &result);

	if (r == STORE_OK) {
		pg_job_from(result, 0, &borrowed);
		pg_copy_job(row, &borrowed);
	}
	PQclear(result);
	return r;
}

/* What the transaction knows of the job, after looking if it has to; NULL: a failure. */
static struct pg_job *lock_job(struct pg_session *s, const char *id)
{
	struct pg_job *job = pg_cache_job(&s->cache, id);
	PGresult *result;

	if (job && job->state != PG_UNKNOWN)
		return job;
	enum store_result r = look(s, &sql_job_lock, id, &result);
	if (r == STORE_OK)
		pg_keep_job(s, result, 0);
	else if (r == STORE_NONE)
		pg_keep_absence(s, id, PG_ABSENT);
	PQclear(result);
	return s->failed ? NULL : pg_cache_job(&s->cache, id);
}

enum store_result postgres_job_get(struct store *base, const char *id, struct job_row *row)
{
	struct pg_session *s = pg_session(base);
	struct pg_job *job;

	if (s->failed)
		return s->failed;
	if (!pg_is_plain(slice_of(id)))
		return STORE_NONE;
	if (!s->writer)
		return read_job(s, id, row);
	job = lock_job(s, id);
	if (!job)
		return s->failed;
	if (job->state == PG_ABSENT)
		return STORE_NONE;
	pg_copy_job(row, &job->row);
	return STORE_OK;
}

PG_SQL(sql_key, "SELECT nextval('jobs_key')");

static enum store_result take_key(struct pg_session *s, int64_t *key)
{
	struct pg_cache *c = &s->cache;
	PGresult *result;

	if (c->key_count) {
		*key = c->keys[--c->key_count];
		return STORE_OK;
	}
	enum store_result r = pg_look(s, &sql_key, NULL, &result);
	if (r == STORE_OK)
		*key = pg_i64(result, 0, 0);
	PQclear(result);
	return r;
}

static enum store_result insert_job(struct pg_session *s, struct job_row *row)
{
	const struct pg_job *job = pg_cache_job(&s->cache, row->id);
	enum store_result r = STORE_OK;

	if (job && (job->state == PG_STORED || job->state == PG_NEW))
		return pg_spoil(s, STORE_CONFLICT, "writing: there is a job with this id");
	if (!row->key)
		r = take_key(s, &row->key);
	if (r == STORE_OK)
		pg_cache_change_job(&s->cache, row, PG_NEW);
	return r;
}

enum store_result postgres_job_put(struct store *base, struct job_row *row)
{
	struct pg_session *s = pg_session(base);
	const struct pg_job *job;

	if (s->failed)
		return s->failed;
	if (!row->key)
		return insert_job(s, row);
	job = lock_job(s, row->id);
	if (!job)
		return s->failed;
	if (job->state == PG_ABSENT || job->row.key != row->key)
		return STORE_NONE;
	pg_cache_change_job(&s->cache, row, job->state);
	return STORE_OK;
}

PG_SQL(sql_job_delete, "WITH gone AS (DELETE FROM jobs WHERE key = $1 RETURNING key) "
                       "INSERT INTO deleted_jobs (key) SELECT key FROM gone");

static enum store_result change_by_key(struct pg_session *s, const struct pg_sql *sql, int64_t key,
                                       uint64_t *rows)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_i64(&args, key);
	r = pg_change(s, sql, &args, rows);
	pg_args_finish(&args);
	return r;
}

enum store_result postgres_job_delete(struct store *base, const struct job_row *row)
{
	struct pg_session *s = pg_session(base);
	uint64_t rows = 0;

	if (pg_may_send(s) != STORE_OK)
		return s->failed;
	pg_queue_begin(s);
	pg_queue_answer_checks(s); /* they are forgotten below */
	pg_queue_task_checks(s);
	enum store_result r = change_by_key(s, &sql_job_delete, row->key, &rows);

	if (r != STORE_OK)
		return r;
	pg_own_forget_all(&s->kept.own, &s->cache);
	pg_cache_forget(&s->cache);
	if (!rows)
		return STORE_NONE;
	pg_keep_absence(s, row->id, PG_ABSENT);
	return STORE_OK;
}

/* ---- lists ---- */

PG_SQL(sql_jobs, "SELECT " PG_JOB_COLUMNS " FROM jobs j WHERE j.key < $1 "
                 "ORDER BY j.key DESC LIMIT $2");
PG_SQL(sql_jobs_with, "SELECT " PG_JOB_COLUMNS " FROM jobs j WHERE j.key < $1 "
                      "AND j.status = $3::int8::int2 ORDER BY j.key DESC LIMIT $2");

static enum store_result read_jobs(struct pg_session *s, int status, int64_t below, size_t rows,
                                   PGresult **result)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_i64(&args, below);
	pg_arg_u64(&args, rows);
	if (status >= 0)
		pg_arg_i64(&args, status);
	r = pg_query(s, status < 0 ? &sql_jobs : &sql_jobs_with, &args, result);
	pg_args_finish(&args);
	return r;
}

enum store_result postgres_jobs(struct store *base, int status, int64_t below_key, size_t limit,
                                job_visit *visit, void *context)
{
	struct pg_session *s = pg_session(base);
	int64_t below = below_key ? below_key : INT64_MAX;
	bool more = true, some = false;

	while (more && limit) {
		size_t asked = limit < WALK_ROWS ? limit : WALK_ROWS;
		PGresult *result;
		enum store_result r = read_jobs(s, status, below, asked, &result);
		int rows = r == STORE_OK ? PQntuples(result) : 0;
		more = (size_t)rows == asked;
		for (int i = 0; i < rows; i++) {
			struct job_row row;
			pg_job_from(result, i, &row);
			below = row.key;
			limit--;
			some = true;
			if (!visit(context, &row)) {
				more = false;
				break;
			}
		}
		PQclear(result);
		if (r != STORE_OK)
			return r;
	}
	return some ? STORE_OK : STORE_NONE;
}

PG_SQL(sql_job_heads, "SELECT j.id, j.epoch, j.seq, j.status FROM unnest($1::text[]) "
                      "WITH ORDINALITY w (id, number) JOIN jobs j USING (id) ORDER BY w.number");

static void head_from(const PGresult *r, int row, struct job_head *head)
{
	*head = (struct job_head){
		.seq = pg_u64(r, row, 2),
		.status = (enum job_status)pg_i64(r, row, 3),
	};
	pg_copy(r, row, 0, head->job_id, sizeof(head->job_id));
	pg_copy(r, row, 1, head->epoch, sizeof(head->epoch));
}

enum store_result postgres_job_heads(struct store *base, const char (*ids)[ID_MAX + 1],
                                     size_t count, job_head_visit *visit, void *context)
{
	struct pg_rows wanted = { .types = "t" };
	struct pg_args args = { 0 };
	struct job_head head;
	PGresult *result;

	for (size_t i = 0; i < count; i++)
		if (pg_is_plain(slice_of(ids[i])))
			pg_put_text(&wanted, ids[i]);
	pg_args_rows(&args, &wanted);
	enum store_result r = pg_query(pg_session(base), &sql_job_heads, &args, &result);
	int rows = r == STORE_OK ? PQntuples(result) : 0;
	for (int i = 0; i < rows; i++) {
		head_from(result, i, &head);
		if (!visit(context, &head))
			break;
	}
	PQclear(result);
	pg_args_finish(&args);
	pg_rows_finish(&wanted);
	return r != STORE_OK || rows ? r : STORE_NONE;
}

PG_SQL(sql_open_jobs, "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE creator = $1 AND "
                      "creator <> '' AND ended = 0 LIMIT $2) x");

enum store_result postgres_open_jobs(struct store *base, const char *creator, uint64_t limit,
                                     uint64_t *count)
{
	struct pg_args args = { 0 };
	PGresult *result;
	enum store_result r;

	pg_arg_text(&args, creator);
	pg_arg_u64(&args, limit);
	r = pg_query(pg_session(base), &sql_open_jobs, &args, &result);
	if (r == STORE_OK)
		*count = pg_u64(result, 0, 0);
	pg_args_finish(&args);
	PQclear(result);
	return r;
}
