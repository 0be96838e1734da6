/* Removes rows that can no longer be requested, in steps of a bounded number of rows. */
#include "sqlite.h"

struct prunable {
	int64_t job;
	uint64_t first, last; /* events that may be removed: first .. last - 1 */
};

/* Removes at most `budget` rows of a deleted job with one statement. */
static enum store_result sweep_rows(struct sqlite_session *s, enum statement which, int64_t job,
                                    size_t *budget)
{
	sqlite3_stmt *st = s->statements[which];
	enum store_result r;

	bind_number(st, 1, job);
	bind_u64(st, 2, *budget);
	r = sqlite_run(s, st);
	if (r == STORE_OK)
		*budget -= (size_t)sqlite3_changes(s->db);
	return r;
}

/* Removes what is left of a deleted job, and its mark when nothing is left. */
static enum store_result sweep_job(struct sqlite_session *s, int64_t job, size_t *budget)
{
	static const enum statement steps[] = { STATEMENT_TASKS_DELETE,
		                                STATEMENT_DELIVERABLES_DELETE,
		                                STATEMENT_EVENTS_DELETE, STATEMENT_ANSWERS_DELETE };
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < sizeof steps / sizeof *steps && r == STORE_OK && *budget; i++)
		r = sweep_rows(s, steps[i], job, budget);
	if (r != STORE_OK || !*budget)
		return r;
	bind_number(s->statements[STATEMENT_DOOMED_DONE], 1, job);
	--*budget;
	return sqlite_run(s, s->statements[STATEMENT_DOOMED_DONE]);
}

static enum store_result sweep_deleted(struct sqlite_session *s, size_t *budget)
{
	sqlite3_stmt *st = s->statements[STATEMENT_DOOMED];
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

static enum store_result prune_answers(struct sqlite_session *s, int64_t before, size_t *budget)
{
	sqlite3_stmt *st = s->statements[STATEMENT_PRUNE_ANSWERS];
	enum store_result r;

	bind_number(st, 1, before);
	bind_u64(st, 2, *budget);
	r = sqlite_run(s, st);
	if (r == STORE_OK)
		*budget -= (size_t)sqlite3_changes(s->db);
	return r;
}

/* Finds the next job to remove events of; at least `keep` of them stay. */
static enum store_result prune_next(struct sqlite_session *s, enum statement which, int64_t bound,
                                    uint64_t keep, struct prunable *found)
{
	sqlite3_stmt *st = s->statements[which];
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

static enum store_result prune_events(struct sqlite_session *s, const struct prunable *p,
                                      size_t *budget)
{
	uint64_t first = p->last - p->first > *budget ? p->first + *budget : p->last;
	static const enum statement steps[] = { STATEMENT_PRUNE_EVENTS, STATEMENT_PRUNE_FIRST };
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < sizeof steps / sizeof *steps && r == STORE_OK; i++) {
		sqlite3_stmt *st = s->statements[steps[i]];
		bind_number(st, 1, p->job);
		bind_u64(st, 2, first);
		r = sqlite_run(s, st);
	}
	*budget -= first - p->first;
	return r;
}

static enum store_result prune_logs(struct sqlite_session *s, enum statement which, int64_t bound,
                                    uint64_t keep, size_t *budget)
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
		r = prune_logs(s, STATEMENT_PRUNE_OLD, logs_before, 1, &left);
	if (r == STORE_OK)
		r = prune_logs(s, STATEMENT_PRUNE_LONG, (int64_t)keep, keep, &left);
	return r == STORE_OK && left == budget ? STORE_NONE : r;
}

enum store_result sqlite_prunable(struct store *base, int64_t keys_before, int64_t logs_before,
                                  uint64_t max_events, size_t limit, uint64_t *rows)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_PRUNABLE];
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
