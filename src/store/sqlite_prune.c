/* Removes rows that can no longer be requested, in steps of a bounded number of rows. */
#include "sqlite.h"

struct prunable {
	int64_t job;
	uint64_t first, last; /* events that may be removed: first .. last - 1 */
};

/* Removes at most `budget` rows of a deleted job with one statement. */
static enum store_result sweep_rows(struct sqlite_session *s, const struct sql *which, int64_t job,
                                    size_t *budget)
{
	sqlite3_stmt *st = sqlite_statement(s, which);
	enum store_result r;

	bind_number(st, 1, job);
	bind_u64(st, 2, *budget);
	r = sqlite_run(s, st);
	if (r == STORE_OK)
		*budget -= (size_t)sqlite3_changes(s->db);
	return r;
}

SQL(sql_doomed_done, "DELETE FROM deleted_jobs WHERE key = ?1");
SQL(sql_tasks_delete, "DELETE FROM tasks WHERE job = ?1 AND position IN "
                      "(SELECT position FROM tasks WHERE job = ?1 ORDER BY position LIMIT ?2)");
SQL(sql_deliverables_delete, "DELETE FROM deliverables WHERE number IN "
                             "(SELECT number FROM deliverables WHERE job = ?1 LIMIT ?2)");
SQL(sql_events_delete, "DELETE FROM job_activity WHERE rowid IN "
                       "(SELECT rowid FROM job_activity WHERE job = ?1 ORDER BY seq LIMIT ?2)");
SQL(sql_answers_delete, "DELETE FROM idempotency WHERE rowid IN "
                        "(SELECT rowid FROM idempotency WHERE scope = '#' || ?1 LIMIT ?2)");

/* Removes what is left of a deleted job, and its mark when nothing is left. */
static enum store_result sweep_job(struct sqlite_session *s, int64_t job, size_t *budget)
{
	static const struct sql *const steps[] = { &sql_tasks_delete, &sql_deliverables_delete,
		                                   &sql_events_delete, &sql_answers_delete };
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < sizeof steps / sizeof *steps && r == STORE_OK && *budget; i++)
		r = sweep_rows(s, steps[i], job, budget);
	if (r != STORE_OK || !*budget)
		return r;
	bind_number(sqlite_statement(s, &sql_doomed_done), 1, job);
	--*budget;
	return sqlite_run(s, sqlite_statement(s, &sql_doomed_done));
}

SQL(sql_doomed, "SELECT key FROM deleted_jobs ORDER BY key LIMIT 1");

static enum store_result sweep_deleted(struct sqlite_session *s, size_t *budget)
{
	sqlite3_stmt *st = sqlite_statement(s, &sql_doomed);
	enum store_result r = STORE_OK;

	while (*budget && r == STORE_OK) {
		int code = sqlite3_step(st);
		int64_t job = code == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
		r = sqlite_walked(s, st, code, code == SQLITE_ROW, true);
		if (r == STORE_OK)
			r = sweep_job(s, job, budget);
	}
	return r == STORE_NONE ? STORE_OK : r;
}

SQL(sql_prune_answers, "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency "
                       "WHERE time < ?1 ORDER BY time LIMIT ?2)");

static enum store_result prune_answers(struct sqlite_session *s, int64_t before, size_t *budget)
{
	sqlite3_stmt *st = sqlite_statement(s, &sql_prune_answers);
	enum store_result r;

	bind_number(st, 1, before);
	bind_u64(st, 2, *budget);
	r = sqlite_run(s, st);
	if (r == STORE_OK)
		*budget -= (size_t)sqlite3_changes(s->db);
	return r;
}

/* Finds the next job to remove events of; at least `keep` of them stay. */
static enum store_result prune_next(struct sqlite_session *s, const struct sql *which,
                                    int64_t bound, uint64_t keep, struct prunable *found)
{
	sqlite3_stmt *st = sqlite_statement(s, which);
	int code;

	bind_number(st, 1, bound);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		found->job = sqlite3_column_int64(st, 0);
		found->first = (uint64_t)sqlite3_column_int64(st, 1);
		found->last = (uint64_t)sqlite3_column_int64(st, 2) + 1 - keep;
	}
	return sqlite_walked(s, st, code, code == SQLITE_ROW, true);
}

SQL(sql_prune_events, "DELETE FROM job_activity WHERE job = ?1 AND seq < ?2");
SQL(sql_prune_first, "UPDATE jobs SET first = ?2 WHERE key = ?1");

static enum store_result prune_events(struct sqlite_session *s, const struct prunable *p,
                                      size_t *budget)
{
	uint64_t first = p->last - p->first > *budget ? p->first + *budget : p->last;
	static const struct sql *const steps[] = { &sql_prune_events, &sql_prune_first };
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < sizeof steps / sizeof *steps && r == STORE_OK; i++) {
		sqlite3_stmt *st = sqlite_statement(s, steps[i]);
		bind_number(st, 1, p->job);
		bind_u64(st, 2, first);
		r = sqlite_run(s, st);
	}
	*budget -= first - p->first;
	return r;
}

static enum store_result prune_logs(struct sqlite_session *s, const struct sql *which,
                                    int64_t bound, uint64_t keep, size_t *budget)
{
	struct prunable p = { 0 };
	enum store_result r = STORE_OK;

	while (*budget && r == STORE_OK) {
		r = prune_next(s, which, bound, keep, &p);
		if (r == STORE_OK)
			r = prune_events(s, &p, budget);
	}
	return r == STORE_NONE ? STORE_OK : r;
}

static uint64_t kept(uint64_t max_events)
{
	return max_events < 1 ? 1 : max_events > INT64_MAX ? INT64_MAX : max_events;
}

SQL(sql_prune_old, "SELECT key, first, seq FROM jobs "
                   "WHERE ended > 0 AND first < seq AND ended < ?1 ORDER BY ended LIMIT 1");
SQL(sql_prune_long, "SELECT key, first, seq FROM jobs "
                    "WHERE ended > 0 AND first < seq AND seq - first >= ?1 "
                    "ORDER BY seq - first DESC LIMIT 1");

enum store_result sqlite_prune(struct store *base, int64_t keys_before, int64_t logs_before,
                               uint64_t max_events, size_t budget)
{
	struct sqlite_session *s = sqlite_session(base);
	uint64_t keep = kept(max_events);
	size_t left = budget;
	enum store_result r;

	if (s->failed)
		return s->failed;
	r = sweep_deleted(s, &left);
	if (r == STORE_OK)
		r = prune_answers(s, keys_before, &left);
	if (r == STORE_OK)
		r = prune_logs(s, &sql_prune_old, logs_before, 1, &left);
	if (r == STORE_OK)
		r = prune_logs(s, &sql_prune_long, (int64_t)keep, keep, &left);
	return r == STORE_OK && left == budget ? STORE_NONE : r;
}

/* Each part has its own limit. */
SQL(sql_prunable,
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM idempotency WHERE time < ?1 LIMIT ?4)) "
    "+ (SELECT coalesce(sum(events), 0) FROM (SELECT seq - first AS events FROM jobs "
    "WHERE ended > 0 AND first < seq AND ended < ?2 LIMIT ?4)) "
    "+ (SELECT coalesce(sum(events), 0) FROM (SELECT seq - first + 1 - ?3 AS events FROM jobs "
    "WHERE ended > 0 AND first < seq AND seq - first >= ?3 AND ended >= ?2 LIMIT ?4)) "
    "+ (SELECT count(*) FROM (SELECT 1 FROM job_activity WHERE job IN "
    "(SELECT key FROM deleted_jobs ORDER BY key LIMIT ?4) LIMIT ?4)) "
    "+ (SELECT count(*) FROM (SELECT 1 FROM deleted_jobs LIMIT ?4))");

enum store_result sqlite_prunable(struct store *base, int64_t keys_before, int64_t logs_before,
                                  uint64_t max_events, size_t limit, uint64_t *rows)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_prunable);
	int code;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, keys_before);
	bind_number(st, 2, logs_before);
	bind_u64(st, 3, kept(max_events));
	bind_u64(st, 4, limit);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*rows = (uint64_t)sqlite3_column_int64(st, 0);
	return sqlite_walked(s, st, code, code == SQLITE_ROW, true);
}
