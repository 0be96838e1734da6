/* Jobs that are being imported, and ended ones whose time is over. */
#include "joblight/base/xalloc.h"
#include "postgres.h"

PG_SQL(sql_import_begin,
       "INSERT INTO imports (key, node) VALUES (nextval('jobs_key'), $1) RETURNING key");

enum store_result postgres_import_begin(struct store *base, int64_t *job)
{
	struct pg_session *s = pg_session(base);
	struct pg_args args = { 0 };
	PGresult *result;

	pg_arg_bytes(&args, s->db->node, POSTGRES_NODE_LEN);
	enum store_result r = pg_query(s, &sql_import_begin, &args, &result);
	if (r == STORE_OK)
		*job = pg_i64(result, 0, 0);
	s->writes = true;
	PQclear(result);
	pg_args_finish(&args);
	return r;
}

PG_SQL(sql_import_end, "DELETE FROM imports WHERE key = $1");
PG_SQL(sql_import_drop, "INSERT INTO deleted_jobs (key) VALUES ($1)");

static enum store_result insert_imported(struct pg_session *s, int64_t job, struct job_row *row)
{
	const struct pg_job *known = pg_cache_job(&s->cache, row->id);
	struct job_row copy;

	if (known && (known->state == PG_STORED || known->state == PG_NEW))
		return pg_spoil(s, STORE_CONFLICT, "writing: there is a job with this id");
	row->key = job;
	pg_copy_job(&copy, row);
	pg_cache_put_job(&s->cache, &copy, PG_NEW)->dirty = true;
	s->cache.dirty = true;
	return STORE_OK;
}

enum store_result postgres_import_end(struct store *base, int64_t job, struct job_row *row)
{
	struct pg_session *s = pg_session(base);
	struct pg_args args = { 0 };
	uint64_t rows;

	pg_arg_i64(&args, job);
	enum store_result r = pg_change(s, &sql_import_end, &args, &rows);
	if (r == STORE_OK && !rows)
		r = STORE_NONE;
	if (r == STORE_OK && row)
		r = insert_imported(s, job, row);
	else if (r == STORE_OK)
		r = pg_queue(s, &sql_import_drop, &args);
	pg_args_finish(&args);
	return r;
}

PG_SQL(sql_ended_jobs, "SELECT id FROM jobs WHERE kept_since > 0 AND kept_since < $1 "
                       "ORDER BY kept_since, key LIMIT $2");

enum store_result postgres_ended_jobs(struct store *base, int64_t before, size_t limit,
                                      ended_visit *visit, void *context)
{
	struct pg_args args = { 0 };
	PGresult *result;

	pg_arg_i64(&args, before);
	pg_arg_u64(&args, limit);
	enum store_result r = pg_query(pg_session(base), &sql_ended_jobs, &args, &result);
	int rows = r == STORE_OK ? PQntuples(result) : 0;
	for (int i = 0; i < rows; i++)
		if (!visit(context, pg_text(result, i, 0)))
			break;
	PQclear(result);
	pg_args_finish(&args);
	return r == STORE_OK && !rows ? STORE_NONE : r;
}
