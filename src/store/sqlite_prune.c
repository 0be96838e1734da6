/* Removes rows that can no longer be requested, in steps of a bounded number of rows. */
#include "sqlite.h"

/* Events that may be removed: first .. last - 1, and only while more than `bytes` are kept. */
struct prunable {
	int64_t job;
	uint64_t first, last;
	uint64_t kept, bytes; /* bytes: 0 if they do not matter */
};

/* Removes at most `budget` rows with one statement; `bound`: its first parameter. */
static enum store_result sweep_rows(struct sqlite_session *s, const struct sql *which,
                                    int64_t bound, size_t *budget)
{
	sqlite3_stmt *st = sqlite_statement(s, which);
	enum store_result r;

	bind_number(st, 1, bound);
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
	return sweep_rows(s, &sql_prune_answers, before, budget);
}

SQL(sql_prune_days, "DELETE FROM job_days WHERE (day, job) IN (SELECT day, job FROM job_days "
                    "WHERE day < ?1 ORDER BY day LIMIT ?2)");

static enum store_result prune_days(struct sqlite_session *s, int64_t before, size_t *budget)
{
	return sweep_rows(s, &sql_prune_days, before, budget);
}

/* What makes the events of an ended job prunable. */
struct prune_rule {
	const struct sql *next; /* selects the job that is first to be pruned */
	int64_t bound;          /* its parameter */
	uint64_t keep, bytes;   /* so many events stay; it ends at so many bytes, 0: anyway */
};

/* Finds the next job to remove events of. */
static enum store_result prune_next(struct sqlite_session *s, const struct prune_rule *rule,
                                    struct prunable *found)
{
	sqlite3_stmt *st = sqlite_statement(s, rule->next);
	int code;

	bind_number(st, 1, rule->bound);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		found->job = sqlite3_column_int64(st, 0);
		found->first = (uint64_t)sqlite3_column_int64(st, 1);
		found->last = (uint64_t)sqlite3_column_int64(st, 2) + 1 - rule->keep;
		found->kept = (uint64_t)sqlite3_column_int64(st, 3);
		found->bytes = rule->bytes;
	}
	return sqlite_walked(s, st, code, code == SQLITE_ROW, true);
}

SQL(sql_prune_sizes, "SELECT length(CAST(json AS BLOB)) FROM job_activity "
                     "WHERE job = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq LIMIT ?4");

/* Counts the events that are removed now and their bytes; at least one event. */
static enum store_result measure(struct sqlite_session *s, const struct prunable *p, size_t budget,
                                 uint64_t *events, uint64_t *bytes)
{
	sqlite3_stmt *st = sqlite_statement(s, &sql_prune_sizes);
	int code = SQLITE_DONE;

	*events = *bytes = 0;
	bind_number(st, 1, p->job);
	bind_u64(st, 2, p->first);
	bind_u64(st, 3, p->last);
	bind_u64(st, 4, budget);
	while ((!p->bytes || p->kept > p->bytes + *bytes) &&
	       (code = sqlite3_step(st)) == SQLITE_ROW) {
		++*events;
		*bytes += (uint64_t)sqlite3_column_int64(st, 0);
	}
	return sqlite_walked(s, st, code, *events, true);
}

SQL(sql_prune_events, "DELETE FROM job_activity WHERE job = ?1 AND seq < ?2");
SQL(sql_prune_first, "UPDATE jobs SET first = ?2, pruned = pruned + ?3 WHERE key = ?1");

static enum store_result prune_events(struct sqlite_session *s, const struct prunable *p,
                                      size_t *budget)
{
	sqlite3_stmt *removing = sqlite_statement(s, &sql_prune_events),
	             *first = sqlite_statement(s, &sql_prune_first);
	uint64_t events, bytes;
	enum store_result r = measure(s, p, *budget, &events, &bytes);

	if (r != STORE_OK)
		return r == STORE_NONE ? sqlite_spoil(s, SQLITE_CORRUPT, "pruning a log") : r;
	bind_number(removing, 1, p->job);
	bind_u64(removing, 2, p->first + events);
	r = sqlite_run(s, removing);
	if (r != STORE_OK)
		return r;
	bind_number(first, 1, p->job);
	bind_u64(first, 2, p->first + events);
	bind_u64(first, 3, bytes);
	*budget -= events;
	return sqlite_run(s, first);
}

static enum store_result prune_logs(struct sqlite_session *s, const struct prune_rule *rule,
                                    size_t *budget)
{
	struct prunable p = { 0 };
	enum store_result r = STORE_OK;

	while (*budget && r == STORE_OK) {
		r = prune_next(s, rule, &p);
		if (r == STORE_OK)
			r = prune_events(s, &p, budget);
	}
	return r == STORE_NONE ? STORE_OK : r;
}

static uint64_t kept(uint64_t max_events)
{
	return max_events < 1 ? 1 : max_events > INT64_MAX ? INT64_MAX : max_events;
}

static int64_t bounded(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

#define PRUNABLE "SELECT key, first, seq, bytes - pruned FROM jobs WHERE ended > 0 AND first < seq "

SQL(sql_prune_old, PRUNABLE "AND max(ended, imported) < ?1 ORDER BY max(ended, imported) LIMIT 1");
SQL(sql_prune_long, PRUNABLE "AND seq - first >= ?1 ORDER BY seq - first DESC LIMIT 1");
SQL(sql_prune_large, PRUNABLE "AND bytes - pruned > ?1 ORDER BY bytes - pruned DESC LIMIT 1");

static enum store_result prune_all_logs(struct sqlite_session *s, const struct prune_limits *l,
                                        size_t *budget)
{
	uint64_t keep = kept(l->max_events);
	const struct prune_rule rules[] = {
		{ &sql_prune_old, l->logs_before, 1, 0 },
		{ &sql_prune_long, (int64_t)keep, keep, 0 },
		{ &sql_prune_large, bounded(l->max_bytes), 1, l->max_bytes ? l->max_bytes : 1 },
	};
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < sizeof rules / sizeof *rules && r == STORE_OK; i++)
		r = prune_logs(s, &rules[i], budget);
	return r;
}

enum store_result sqlite_prune(struct store *base, const struct prune_limits *limits, size_t budget)
{
	struct sqlite_session *s = sqlite_session(base);
	size_t left = budget;
	enum store_result r;

	if (s->failed)
		return s->failed;
	r = sweep_deleted(s, &left);
	if (r == STORE_OK && left)
		r = prune_answers(s, limits->keys_before, &left);
	if (r == STORE_OK && left)
		r = prune_days(s, limits->days_before, &left);
	if (r == STORE_OK)
		r = prune_all_logs(s, limits, &left);
	return r == STORE_OK && left == budget ? STORE_NONE : r;
}

enum store_result sqlite_prune_oldest(struct store *base, size_t budget)
{
	struct sqlite_session *s = sqlite_session(base);
	const struct prune_rule oldest = { &sql_prune_old, INT64_MAX, 1, 0 };
	struct prunable p = { 0 };
	enum store_result r;

	if (s->failed)
		return s->failed;
	r = prune_next(s, &oldest, &p);
	return r == STORE_OK ? prune_events(s, &p, &budget) : r;
}

/* Each part has its own limit. */
SQL(sql_prunable,
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM idempotency WHERE time < ?1 LIMIT ?4)) "
    "+ (SELECT coalesce(sum(events), 0) FROM (SELECT seq - first AS events FROM jobs "
    "WHERE ended > 0 AND first < seq AND max(ended, imported) < ?2 LIMIT ?4)) "
    "+ (SELECT coalesce(sum(events), 0) FROM (SELECT seq - first + 1 - ?3 AS events FROM jobs "
    "WHERE ended > 0 AND first < seq AND seq - first >= ?3 AND max(ended, imported) >= ?2 LIMIT "
    "?4)) "
    "+ (SELECT count(*) FROM (SELECT 1 FROM job_days WHERE day < ?5 LIMIT ?4)) "
    "+ (SELECT count(*) FROM (SELECT 1 FROM job_activity WHERE job IN "
    "(SELECT key FROM deleted_jobs ORDER BY key LIMIT ?4) LIMIT ?4)) "
    "+ (SELECT count(*) FROM (SELECT 1 FROM deleted_jobs LIMIT ?4))");

enum store_result sqlite_prunable(struct store *base, const struct prune_limits *limits,
                                  size_t limit, uint64_t *rows)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_prunable);
	int code;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, limits->keys_before);
	bind_number(st, 2, limits->logs_before);
	bind_u64(st, 3, kept(limits->max_events));
	bind_u64(st, 4, limit);
	bind_number(st, 5, limits->days_before);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*rows = (uint64_t)sqlite3_column_int64(st, 0);
	return sqlite_walked(s, st, code, code == SQLITE_ROW, true);
}
