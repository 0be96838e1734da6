/* The rows of jobs and days, which outlive the jobs. */
#include "sqlite_row.h"

#define DAY_COLUMNS                                                                                \
	"day, job, id, status, created, ended, events, bytes, tasks, completed, failed, "          \
	"cancelled, deliverables"

SQL(sql_job_day_put, "INSERT OR REPLACE INTO job_days (" DAY_COLUMNS ") "
                     "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)");

enum store_result sqlite_job_day_put(struct store *base, const struct job_day_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_job_day_put);

	if (s->failed)
		return s->failed;
	bind_number(st, 1, row->day);
	bind_number(st, 2, row->job);
	bind_text(st, 3, row->id);
	bind_number(st, 4, row->status);
	bind_number(st, 5, row->created);
	bind_number(st, 6, row->ended);
	bind_u64(st, 7, row->events);
	bind_u64(st, 8, row->bytes);
	bind_number(st, 9, row->tasks);
	bind_number(st, 10, row->completed);
	bind_number(st, 11, row->failed);
	bind_number(st, 12, row->cancelled);
	bind_number(st, 13, row->deliverables);
	return sqlite_run(s, st);
}

static bool day_from(sqlite3_stmt *st, struct job_day_row *row)
{
	int status = sqlite3_column_int(st, 3);

	*row = (struct job_day_row){
		.day = sqlite3_column_int64(st, 0),
		.job = sqlite3_column_int64(st, 1),
		.status = (enum job_status)status,
		.created = sqlite3_column_int64(st, 4),
		.ended = sqlite3_column_int64(st, 5),
		.events = (uint64_t)sqlite3_column_int64(st, 6),
		.bytes = (uint64_t)sqlite3_column_int64(st, 7),
		.tasks = (uint32_t)sqlite3_column_int64(st, 8),
		.completed = (uint32_t)sqlite3_column_int64(st, 9),
		.failed = (uint32_t)sqlite3_column_int64(st, 10),
		.cancelled = (uint32_t)sqlite3_column_int64(st, 11),
		.deliverables = (uint32_t)sqlite3_column_int64(st, 12),
	};
	copy_at(st, 2, row->id, sizeof row->id);
	return status >= 0 && status < JOB_STATUS_COUNT;
}

SQL(sql_job_days, "SELECT " DAY_COLUMNS " FROM job_days WHERE (day, job) > (?1, ?2) "
                  "ORDER BY day, job LIMIT ?3");

enum store_result sqlite_job_days(struct store *base, int64_t day, int64_t job, size_t limit,
                                  job_day_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	struct walk walk = { .st = sqlite_statement(s, &sql_job_days) };
	struct job_day_row row;

	if (s->failed)
		return s->failed;
	bind_number(walk.st, 1, day);
	bind_number(walk.st, 2, job);
	bind_u64(walk.st, 3, limit);
	while (walk_step(&walk) && walk_takes(&walk, day_from(walk.st, &row)) &&
	       visit(context, &row))
		;
	return walk_end(s, &walk);
}
