/* The rows of tasks. */
#include "postgres.h"

#define WALK_ROWS 1024 /* that are read at once */

static int64_t number_or_none(const PGresult *r, int row, int column)
{
	return PQgetisnull(r, row, column) ? -1 : pg_i64(r, row, column);
}

void pg_task_from(const PGresult *r, int row, struct task_row *task)
{
	*task = (struct task_row){
		.position = (uint32_t)pg_i64(r, row, 0),
		.status = (enum task_status)pg_i64(r, row, 2),
		.progress = pg_f64(r, row, 3),
		.attempt = number_or_none(r, row, 4),
		.silence_ms = number_or_none(r, row, 5),
		.stalled = pg_bool(r, row, 6),
		.stall_at = pg_i64(r, row, 7),
		.created = pg_i64(r, row, 8),
		.updated = pg_i64(r, row, 9),
		.started = pg_i64(r, row, 10),
		.ended = pg_i64(r, row, 11),
		.title = pg_text(r, row, 12),
		.note = pg_text(r, row, 13),
	};
	pg_copy(r, row, 1, task->id, sizeof(task->id));
}

PG_SQL(sql_task_get, "SELECT " PG_TASK_COLUMNS " FROM tasks t WHERE t.job = $1 AND t.id = $2");

static enum store_result read_task(struct pg_session *s, int64_t job, const char *id,
                                   struct task_row *row)
{
	struct pg_args args = { 0 };
	struct task_row borrowed;
	PGresult *result;

	pg_arg_i64(&args, job);
	pg_arg_text(&args, id);
	enum store_result r = pg_look(s, &sql_task_get, &args, &result);
	if (r == STORE_OK && !PQntuples(result))
		r = STORE_NONE;
	if (r == STORE_OK) {
		pg_task_from(result, 0, &borrowed);
		pg_copy_task(row, &borrowed);
	}
	PQclear(result);
	pg_args_finish(&args);
	return r;
}

static bool is_new(struct pg_session *s, int64_t job)
{
	const struct pg_job *known = pg_cache_job_of_key(&s->cache, job);

	return known && known->state == PG_NEW;
}

static enum store_result find_task(struct pg_session *s, int64_t job, const char *id,
                                   struct task_row *row)
{
	const struct pg_task *task = pg_cache_task(&s->cache, job, slice_of(id));

	if (task && !task->absent)
		pg_copy_task(row, &task->row);
	if (task)
		return task->absent ? STORE_NONE : STORE_OK;
	return is_new(s, job) ? STORE_NONE : read_task(s, job, id, row);
}

enum store_result postgres_task_get(struct store *base, int64_t job, const char *id,
                                    struct task_row *row)
{
	struct pg_session *s = pg_session(base);

	if (s->failed)
		return s->failed;
	if (!pg_is_plain(slice_of(id)))
		return STORE_NONE;
	return s->writer ? find_task(s, job, id, row) : read_task(s, job, id, row);
}

enum store_result postgres_task_put(struct store *base, int64_t job, const struct task_row *row)
{
	struct pg_session *s = pg_session(base);

	if (s->failed)
		return s->failed;
	pg_cache_change_task(&s->cache, job, row);
	return STORE_OK;
}

PG_SQL(sql_tasks, "SELECT " PG_TASK_COLUMNS " FROM tasks t WHERE t.job = $1 AND t.position >= $2 "
                  "ORDER BY t.position LIMIT $3");

static enum store_result read_tasks(struct pg_session *s, int64_t job, int64_t from,
                                    PGresult **result)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_i64(&args, job);
	pg_arg_i64(&args, from);
	pg_arg_i64(&args, WALK_ROWS);
	r = pg_query(s, &sql_tasks, &args, result);
	pg_args_finish(&args);
	return r;
}

/* Returns the position after the last row, or -1 when the walk is to end. */
static int64_t visit_tasks(const PGresult *result, task_visit *visit, void *context)
{
	int rows = PQntuples(result);
	struct task_row row = { 0 };

	for (int i = 0; i < rows; i++) {
		pg_task_from(result, i, &row);
		if (!visit(context, &row))
			return -1;
	}
	return rows == WALK_ROWS ? (int64_t)row.position + 1 : -1;
}

enum store_result postgres_tasks(struct store *base, int64_t job, uint32_t from, task_visit *visit,
                                 void *context)
{
	struct pg_session *s = pg_session(base);
	bool some = false;

	for (int64_t at = from; at >= 0;) {
		PGresult *result;
		enum store_result r = read_tasks(s, job, at, &result);
		if (r == STORE_OK) {
			some |= PQntuples(result) > 0;
			at = visit_tasks(result, visit, context);
		}
		PQclear(result);
		if (r != STORE_OK)
			return r;
	}
	return some ? STORE_OK : STORE_NONE;
}

PG_SQL(sql_task_counts,
       "SELECT count(*), count(*) FILTER (WHERE status = $2::int8), "
       "count(*) FILTER (WHERE status = $3::int8), count(*) FILTER (WHERE status = $4::int8), "
       "count(*) FILTER (WHERE status = $5::int8), "
       "coalesce(sum(CASE WHEN status IN ($2::int8, $3::int8) THEN 100 "
       "WHEN status = $5::int8 THEN 0 ELSE coalesce(progress, 0) END), 0)::float8 "
       "FROM tasks WHERE job = $1");

enum store_result postgres_task_counts(struct store *base, int64_t job, struct task_counts *counts)
{
	static const enum task_status statuses[] = { TASK_COMPLETED, TASK_FAILED, TASK_IN_PROGRESS,
		                                     TASK_CANCELLED };
	struct pg_args args = { 0 };
	PGresult *result;

	pg_arg_i64(&args, job);
	for (int i = 0; i < 4; i++)
		pg_arg_i64(&args, statuses[i]);
	enum store_result r = pg_query(pg_session(base), &sql_task_counts, &args, &result);
	if (r == STORE_OK)
		*counts = (struct task_counts){
			.total = (uint32_t)pg_i64(result, 0, 0),
			.completed = (uint32_t)pg_i64(result, 0, 1),
			.failed = (uint32_t)pg_i64(result, 0, 2),
			.in_progress = (uint32_t)pg_i64(result, 0, 3),
			.cancelled = (uint32_t)pg_i64(result, 0, 4),
			.done = pg_f64(result, 0, 5),
		};
	PQclear(result);
	pg_args_finish(&args);
	return r;
}

PG_SQL(sql_overdue_tasks, "SELECT j.id, t.id FROM tasks t JOIN jobs j ON j.key = t.job "
                          "WHERE t.stall_at > 0 AND t.stall_at <= $1 LIMIT $2");

enum store_result postgres_overdue_tasks(struct store *base, int64_t now, size_t limit,
                                         overdue_visit *visit, void *context)
{
	struct pg_args args = { 0 };
	PGresult *result;

	pg_arg_i64(&args, now);
	pg_arg_u64(&args, limit);
	enum store_result r = pg_query(pg_session(base), &sql_overdue_tasks, &args, &result);
	int rows = r == STORE_OK ? PQntuples(result) : 0;
	for (int i = 0; i < rows; i++)
		if (!visit(context, pg_text(result, i, 0), pg_text(result, i, 1)))
			break;
	PQclear(result);
	pg_args_finish(&args);
	return r == STORE_OK && !rows ? STORE_NONE : r;
}
