/*
 * Removes rows that can no longer be requested, in steps of a bounded number of rows.  Several
 * nodes may do it at the same time: a row that another one has locked is left to it.
 */
#include "postgres.h"

/* Events that may be removed: first .. last - 1, and only while more than `bytes` are kept. */
struct prunable {
	int64_t job;
	uint64_t first, last;
	uint64_t kept, bytes; /* bytes: 0 if they do not matter */
};

/* Removes at most `budget` rows with one statement; `bound`: its first parameter. */
static enum store_result sweep_rows(struct pg_session *s, const struct pg_sql *sql, int64_t bound,
                                    size_t *budget)
{
	struct pg_args args = { 0 };
	uint64_t rows;
	enum store_result r;

	pg_arg_i64(&args, bound);
	pg_arg_u64(&args, *budget);
	r = pg_change(s, sql, &args, &rows);
	if (r == STORE_OK)
		*budget -= (size_t)rows;
	pg_args_finish(&args);
	return r;
}

/* ---- deleted jobs ---- */

PG_SQL(sql_doomed, "SELECT key FROM deleted_jobs ORDER BY key LIMIT 1 FOR UPDATE SKIP LOCKED");
PG_SQL(sql_doomed_done, "DELETE FROM deleted_jobs WHERE key = $1");
PG_SQL(sql_tasks_delete, "DELETE FROM tasks WHERE job = $1 AND position = ANY (ARRAY(SELECT "
                         "position FROM tasks WHERE job = $1 ORDER BY position LIMIT $2))");
PG_SQL(sql_deliverables_delete, "DELETE FROM deliverables WHERE number = ANY (ARRAY(SELECT number "
                                "FROM deliverables WHERE job = $1 LIMIT $2))");
PG_SQL(sql_events_delete, "DELETE FROM job_activity WHERE job = $1 AND seq = ANY (ARRAY(SELECT "
                          "seq FROM job_activity WHERE job = $1 ORDER BY seq LIMIT $2))");
PG_SQL(sql_answers_delete,
       "DELETE FROM idempotency WHERE scope = '#' || $1::int8::text AND key = ANY (ARRAY(SELECT "
       "key FROM idempotency WHERE scope = '#' || $1::int8::text LIMIT $2))");

/* Removes what is left of a deleted job, and its mark when nothing is left. */
static enum store_result sweep_job(struct pg_session *s, int64_t job, size_t *budget)
{
	static const struct pg_sql *const steps[] = { &sql_tasks_delete, &sql_deliverables_delete,
		                                      &sql_events_delete, &sql_answers_delete };
	struct pg_args args = { 0 };
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < sizeof steps / sizeof *steps && r == STORE_OK && *budget; i++)
		r = sweep_rows(s, steps[i], job, budget);
	if (r != STORE_OK || !*budget)
		return r;
	--*budget;
	pg_arg_i64(&args, job);
	r = pg_queue(s, &sql_doomed_done, &args);
	pg_args_finish(&args);
	return r;
}

static enum store_result sweep_deleted(struct pg_session *s, size_t *budget)
{
	enum store_result r = STORE_OK;

	while (*budget && r == STORE_OK) {
		PGresult *result;
		r = pg_query(s, &sql_doomed, NULL, &result);
		bool found = r == STORE_OK && PQntuples(result);
		int64_t job = found ? pg_i64(result, 0, 0) : 0;
		PQclear(result);
		if (!found)
			break;
		r = sweep_job(s, job, budget);
	}
	return r;
}

/* ---- answers, days and tickets ---- */

PG_SQL(sql_prune_answers,
       "WITH x AS MATERIALIZED (SELECT scope, key FROM idempotency WHERE time < $1 ORDER BY time "
       "LIMIT $2 FOR UPDATE SKIP LOCKED) DELETE FROM idempotency a USING x "
       "WHERE a.scope = x.scope AND a.key = x.key");
PG_SQL(sql_prune_days, "WITH x AS MATERIALIZED (SELECT day, job FROM job_days WHERE day < $1 "
                       "ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED) DELETE FROM job_days d "
                       "USING x WHERE d.day = x.day AND d.job = x.job");

PG_SQL(sql_prune_tickets,
       "WITH x AS MATERIALIZED (SELECT id FROM used_tickets WHERE kept_until < now() - "
       "$1::int8 * interval '1 ms' ORDER BY kept_until LIMIT $2 FOR UPDATE SKIP LOCKED) "
       "DELETE FROM used_tickets t USING x WHERE t.id = x.id");

/* ---- logs ---- */

/* What makes the events of an ended job prunable. */
struct prune_rule {
	const struct pg_sql *next; /* selects the job that is first to be pruned */
	int64_t bound;             /* its parameter */
	uint64_t keep, bytes;      /* so many events stay; it ends at so many bytes, 0: anyway */
};

/* Finds the next job to remove events of, and locks it. */
static enum store_result prune_next(struct pg_session *s, const struct prune_rule *rule,
                                    struct prunable *found)
{
	struct pg_args args = { 0 };
	PGresult *result;

	pg_arg_i64(&args, rule->bound);
	enum store_result r = pg_query(s, rule->next, &args, &result);
	if (r == STORE_OK && !PQntuples(result))
		r = STORE_NONE;
	if (r == STORE_OK)
		*found = (struct prunable){
			.job = pg_i64(result, 0, 0),
			.first = pg_u64(result, 0, 1),
			.last = pg_u64(result, 0, 2) + 1 - rule->keep,
			.kept = pg_u64(result, 0, 3),
			.bytes = rule->bytes,
		};
	PQclear(result);
	pg_args_finish(&args);
	return r;
}

PG_SQL(sql_prune_sizes, "SELECT octet_length(json)::int8 FROM job_activity WHERE job = $1 AND "
                        "seq >= $2 AND seq < $3 ORDER BY seq LIMIT $4");

/* Counts the events that are removed now and their bytes; at least one event. */
static enum store_result measure(struct pg_session *s, const struct prunable *p, size_t budget,
                                 uint64_t *events, uint64_t *bytes)
{
	struct pg_args args = { 0 };
	PGresult *result;

	*events = *bytes = 0;
	pg_arg_i64(&args, p->job);
	pg_arg_u64(&args, p->first);
	pg_arg_u64(&args, p->last);
	pg_arg_u64(&args, budget);
	enum store_result r = pg_query(s, &sql_prune_sizes, &args, &result);
	uint64_t rows = r == STORE_OK ? (uint64_t)PQntuples(result) : 0;
	while (*events < rows && (!p->bytes || p->kept > p->bytes + *bytes))
		*bytes += pg_u64(result, (int)(*events)++, 0);
	PQclear(result);
	pg_args_finish(&args);
	return r == STORE_OK && !*events ? pg_spoil(s, STORE_BROKEN, "pruning a log: it has holes")
	                                 : r;
}

PG_SQL(sql_prune_events, "DELETE FROM job_activity WHERE job = $1 AND seq < $2");
PG_SQL(sql_prune_first,
       "UPDATE jobs SET first = $2, pruned = pruned + $3, log_events = greatest(seq - $2, 0), "
       "log_bytes = greatest(bytes - pruned - $3, 0) WHERE key = $1");

static enum store_result prune_events(struct pg_session *s, const struct prunable *p,
                                      size_t *budget, uint64_t *bytes)
{
	uint64_t events;
	struct pg_args args = { 0 };
	enum store_result r = measure(s, p, *budget, &events, bytes);

	if (r != STORE_OK)
		return r;
	pg_arg_i64(&args, p->job);
	pg_arg_u64(&args, p->first + events);
	r = pg_queue(s, &sql_prune_events, &args);
	pg_arg_u64(&args, *bytes);
	if (r == STORE_OK)
		r = pg_queue(s, &sql_prune_first, &args);
	pg_args_finish(&args);
	*budget -= (size_t)events;
	return r;
}

static enum store_result prune_logs(struct pg_session *s, const struct prune_rule *rule,
                                    size_t *budget)
{
	struct prunable p;
	uint64_t bytes;
	enum store_result r = STORE_OK;

	while (*budget && r == STORE_OK) {
		r = prune_next(s, rule, &p);
		if (r == STORE_OK)
			r = prune_events(s, &p, budget, &bytes);
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

#define PRUNABLE "SELECT key, first, seq, log_bytes FROM jobs WHERE log_events > 0 "
#define LOCKED "LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"

PG_SQL(sql_prune_old, PRUNABLE "AND kept_since < $1 ORDER BY kept_since, key " LOCKED);
PG_SQL(sql_prune_long, PRUNABLE "AND log_events >= $1 ORDER BY log_events DESC " LOCKED);
PG_SQL(sql_prune_large, PRUNABLE "AND log_bytes > $1 ORDER BY log_bytes DESC " LOCKED);

static enum store_result prune_all_logs(struct pg_session *s, const struct prune_limits *l,
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

/* What was changed is not what the transaction has read. */
static enum store_result forget_rows(struct pg_session *s, enum store_result r)
{
	if (r != STORE_OK)
		return r;
	pg_queue_task_checks(s);
	pg_own_forget_all(&s->kept.own, &s->cache);
	pg_cache_forget(&s->cache);
	return STORE_OK;
}

/* Usually there is nothing, and then one question is enough. */
PG_SQL(sql_is_prunable,
       "SELECT EXISTS (SELECT FROM deleted_jobs) OR EXISTS (SELECT FROM idempotency WHERE time < "
       "$1) OR EXISTS (SELECT FROM job_days WHERE day < $2) OR EXISTS (SELECT FROM used_tickets "
       "WHERE kept_until < now()) OR EXISTS (SELECT FROM jobs WHERE log_events > 0 AND kept_since "
       "< $3) OR EXISTS (SELECT FROM jobs WHERE log_events > 0 AND log_events >= $4) OR EXISTS "
       "(SELECT FROM jobs WHERE log_events > 0 AND log_bytes > $5)");

static enum store_result is_prunable(struct pg_session *s, const struct prune_limits *l)
{
	struct pg_args args = { 0 };
	PGresult *result;

	pg_arg_i64(&args, l->keys_before);
	pg_arg_i64(&args, l->days_before);
	pg_arg_i64(&args, l->logs_before);
	pg_arg_u64(&args, kept(l->max_events));
	pg_arg_i64(&args, bounded(l->max_bytes));
	enum store_result r = pg_query(s, &sql_is_prunable, &args, &result);
	if (r == STORE_OK && !pg_bool(result, 0, 0))
		r = STORE_NONE;
	PQclear(result);
	pg_args_finish(&args);
	return r;
}

enum store_result postgres_prune(struct store *base, const struct prune_limits *limits,
                                 size_t budget)
{
	struct pg_session *s = pg_session(base);
	size_t left = budget;
	enum store_result r;

	if (s->failed)
		return s->failed;
	r = is_prunable(s, limits);
	if (r != STORE_OK)
		return r;
	r = sweep_deleted(s, &left);
	if (r == STORE_OK && left)
		r = sweep_rows(s, &sql_prune_answers, limits->keys_before, &left);
	if (r == STORE_OK && left)
		r = sweep_rows(s, &sql_prune_days, limits->days_before, &left);
	if (r == STORE_OK && left)
		r = sweep_rows(s, &sql_prune_tickets, 0, &left);
	if (r == STORE_OK)
		r = prune_all_logs(s, limits, &left);
	r = forget_rows(s, r);
	if (left < budget)
		s->space.is_current = false;
	return r == STORE_OK && left == budget ? STORE_NONE : r;
}

enum store_result postgres_prune_oldest(struct store *base, size_t budget)
{
	struct pg_session *s = pg_session(base);
	const struct prune_rule oldest = { &sql_prune_old, INT64_MAX, 1, 0 };
	size_t left = budget;
	uint64_t bytes;
	struct prunable p;
	enum store_result r;

	if (s->failed)
		return s->failed;
	r = prune_next(s, &oldest, &p);
	if (r == STORE_OK)
		r = prune_events(s, &p, &left, &bytes);
	if (r == STORE_OK)
		pg_space_removed(s, budget - left, bytes);
	return forget_rows(s, r);
}

/* Each part has its own limit. */
PG_SQL(sql_prunable,
       "SELECT ((SELECT count(*) FROM (SELECT 1 FROM idempotency WHERE time < $1 LIMIT $4) a) "
       "+ (SELECT coalesce(sum(n), 0) FROM (SELECT log_events AS n FROM jobs "
       "WHERE log_events > 0 AND kept_since < $2 LIMIT $4) b) "
       "+ (SELECT coalesce(sum(n), 0) FROM (SELECT log_events + 1 - $3 AS n FROM jobs "
       "WHERE log_events > 0 AND log_events >= $3 AND kept_since >= $2 LIMIT $4) c) "
       "+ (SELECT count(*) FROM (SELECT 1 FROM job_days WHERE day < $5 LIMIT $4) d) "
       "+ (SELECT count(*) FROM (SELECT 1 FROM job_activity WHERE job = ANY (ARRAY(SELECT key "
       "FROM deleted_jobs ORDER BY key LIMIT $4)) LIMIT $4) e) "
       "+ (SELECT count(*) FROM (SELECT 1 FROM deleted_jobs LIMIT $4) f))::int8");

enum store_result postgres_prunable(struct store *base, const struct prune_limits *limits,
                                    size_t limit, uint64_t *rows)
{
	struct pg_args args = { 0 };
	PGresult *result;

	pg_arg_i64(&args, limits->keys_before);
	pg_arg_i64(&args, limits->logs_before);
	pg_arg_u64(&args, kept(limits->max_events));
	pg_arg_u64(&args, limit);
	pg_arg_i64(&args, limits->days_before);
	enum store_result r = pg_query(pg_session(base), &sql_prunable, &args, &result);
	if (r == STORE_OK)
		*rows = pg_u64(result, 0, 0);
	PQclear(result);
	pg_args_finish(&args);
	return r;
}
