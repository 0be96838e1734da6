/*
 * Transactions.  One begins in the first round that it needs, so that a transaction without rows
 * costs nothing, and a group of writes two rounds.
 *
 * When the connection breaks while a transaction commits, it may have been committed or not, or be
 * under way still.  Every transaction that writes therefore puts a random text in the row of this
 * node, and fails if it does not find the text of the one before there.  The next connection looks
 * for the text, and takes away the one before, so that a transaction that was not committed never
 * will be.  It also ends the process of the server that the lost connection had, if it may, so that
 * what was locked there is not for long.
 */
#include "postgres.h"

#include <stdio.h>
#include <string.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/random.h"

#define IDLE_MS 200 /* a connection that was idle for longer is tried before it is used */
#define DOUBT_MS                                                                                   \
	8000 /* for how long it is tried to find out whether a transaction was committed           \
	      */

enum store_result pg_spoil(struct pg_session *s, enum store_result how, const char *words)
{
	s->failed = how;
	s->base.stale = s->relies && how == STORE_CONFLICT;
	if (words != s->base.error)
		snprintf(s->base.error, sizeof(s->base.error), "%s", words);
	return how;
}

/* ---- connecting ---- */

/* A text that the settings of a session do not change. */
#define STARTED "extract(epoch FROM backend_start)::text"

PG_SQL(sql_hello, "SELECT pg_backend_pid()::int8, current_setting('server_encoding'), "
                  "current_setting('server_version_num')::int8, (SELECT " STARTED
                  " FROM pg_stat_activity WHERE pid = pg_backend_pid())");

/* Rows are always found by a key, also before the server has counted them. */
PG_SQL(sql_settings, "SELECT set_config('enable_seqscan', 'off', false), "
                     "set_config('enable_hashjoin', 'off', false), "
                     "set_config('enable_mergejoin', 'off', false), "
                     "set_config('plan_cache_mode', 'force_generic_plan', false), "
                     "set_config('jit', 'off', false), "
                     "set_config('lock_timeout', '1500', false), "
                     "set_config('statement_timeout', '10000', false), "
                     "set_config('idle_in_transaction_session_timeout', '10000', false)");
PG_SQL(sql_quick, "SELECT set_config('synchronous_commit', 'off', false)");

static bool check_server(struct pg_session *s)
{
	const PGresult *hello = pg_link_result(&s->link, s->link.count - 1);
	const char *encoding = pg_text(hello, 0, 1);

	s->link.pooled = pg_i64(hello, 0, 0) != PQbackendPID(s->link.conn);
	s->backend.pid = s->link.pooled ? 0 : pg_i64(hello, 0, 0);
	pg_copy(hello, 0, 3, s->backend.started, sizeof(s->backend.started));
	if (strcmp(encoding, "UTF8") != 0)
		snprintf(s->link.words, sizeof(s->link.words),
		         "the database has the encoding %.20s; make it with ENCODING 'UTF8'",
		         encoding);
	else if (pg_i64(hello, 0, 2) < 140000)
		snprintf(s->link.words, sizeof(s->link.words),
		         "the server is older than PostgreSQL 14; use a newer one");
	else
		return true;
	return false;
}

/* A pooler gives each transaction another connection, which has no settings of ours. */
static bool set_up(void *context)
{
	struct pg_session *s = context;

	pg_kept_clear(&s->kept);
	s->has_row = false;
	pg_link_add(&s->link, &sql_hello, NULL);
	if (pg_link_run(&s->link) != STORE_OK || !check_server(s))
		return false;
	if (s->link.pooled)
		return pg_is_finished(s);
	pg_link_add(&s->link, &sql_settings, NULL);
	if (s->writer && !s->db->is_durable)
		pg_link_add(&s->link, &sql_quick, NULL);
	return pg_link_run(&s->link) == STORE_OK && (!s->writer || pg_take_part(s)) &&
	       pg_is_finished(s);
}

static enum store_result connect_link(struct pg_session *s, bool insist)
{
	enum store_result r = pg_link_connect(&s->link, insist, set_up, s);

	if (r != STORE_OK)
		snprintf(s->base.error, sizeof(s->base.error), "%s", s->link.words);
	return r;
}

enum store_result pg_session_connect(struct pg_session *s)
{
	return connect_link(s, false);
}

/* ---- beginning ---- */

PG_SQL(sql_begin, "BEGIN ISOLATION LEVEL READ COMMITTED");
PG_SQL(sql_begin_reading, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
PG_SQL(sql_limits, "SELECT set_config('lock_timeout', '1500', true), "
                   "set_config('idle_in_transaction_session_timeout', '10000', true), "
                   "pg_advisory_xact_lock_shared(" PG_USERS_LOCK ")");
/* A statement of its own, so that it sees what was committed while the lock was waited for. */
PG_SQL(sql_limits_finished, "SELECT version > 0 FROM joblight");
PG_SQL(sql_quick_once, "SELECT set_config('synchronous_commit', 'off', true)");
PG_SQL(sql_is_read_only, "SELECT current_setting('transaction_read_only') = 'on'");
PG_SQL(sql_rollback, "ROLLBACK");
PG_SQL(sql_commit, "COMMIT");

/* Locks the kept rows like sql_jobs_lock (postgres_expect.c).  The text that is not a number ends
 * the transaction. */
PG_SQL(sql_jobs_check,
       "SELECT CASE WHEN count(*) = cardinality($1::int8[]) THEN 0 ELSE ('" PG_JOBS_SHARED
       "' || cardinality($1::int8[]) - count(*))::int8 END FROM (SELECT FROM unnest($1::int8[], "
       "$2::int8[]) "
       "AS x(key, version) JOIN jobs j ON j.key = x.key AND j.xmin = x.version::text::xid "
       "ORDER BY j.key FOR NO KEY UPDATE OF j) AS locked");

void pg_queue_checks(struct pg_session *s)
{
	struct pg_rows checks = { .types = "ii" };
	struct pg_args args = { 0 };

	pg_kept_checks(&s->cache, &checks);
	pg_args_rows(&args, &checks);
	pg_link_add(&s->link, &sql_jobs_check, &args);
	pg_args_finish(&args);
	pg_rows_finish(&checks);
}

static void queue_begin(struct pg_session *s, bool checks)
{
	if (s->begun)
		return;
	s->begun = true;
	pg_link_add(&s->link, s->writer ? &sql_begin : &sql_begin_reading, NULL);
	s->limits_asked = s->writer && s->link.pooled;
	if (s->limits_asked) {
		pg_link_add(&s->link, &sql_limits, NULL);
		s->limits_at = pg_link_add(&s->link, &sql_limits_finished, NULL);
	}
	if (s->writer && s->link.pooled && !s->db->is_durable)
		pg_link_add(&s->link, &sql_quick_once, NULL);
	if (s->relies && checks)
		pg_queue_checks(s);
}

void pg_queue_begin(struct pg_session *s)
{
	queue_begin(s, true);
}

static enum store_result fail_by_link(struct pg_session *s, enum store_result r)
{
	return pg_spoil(s, s->link.fate == PG_LOST ? STORE_CONFLICT : r, s->link.words);
}

enum store_result pg_finish_round(struct pg_session *s)
{
	enum store_result r = pg_link_run(&s->link);

	if (r != STORE_OK)
		return fail_by_link(s, r);
	if (!s->limits_asked)
		return STORE_OK;
	s->limits_asked = false;
	const PGresult *finished = pg_link_result(&s->link, s->limits_at);
	return PQntuples(finished) && pg_bool(finished, 0, 0)
	           ? STORE_OK
	           : pg_spoil(s, STORE_BUSY, DATABASE_UNFINISHED);
}

/* Begins with a round of its own, which shows whether the server can be written. */
static enum store_result try_server(struct pg_session *s)
{
	pg_queue_begin(s);
	size_t at = pg_link_add(&s->link, &sql_is_read_only, NULL);
	enum store_result r = pg_finish_round(s);

	if (r != STORE_OK || !pg_bool(pg_link_result(&s->link, at), 0, 0))
		return r;
	return pg_spoil(s, STORE_BUSY,
	                "PostgreSQL takes no writes: it is a standby, or "
	                "default_transaction_read_only is on");
}

static void end(struct pg_session *s)
{
	pg_cache_clear(&s->cache);
	s->open = s->early = s->begun = s->writes = s->limits_asked = s->relies = s->guesses =
	    false;
	s->failed = STORE_OK;
}

static bool was_idle(const struct pg_session *s)
{
	return clock_monotonic_ms() - s->link.used_ms >= IDLE_MS;
}

PG_SQL(sql_row,
       "WITH made AS (INSERT INTO nodes (id, last, seen) VALUES ($1, $2, now()) ON CONFLICT "
       "(id) DO NOTHING RETURNING last) SELECT last FROM made UNION ALL SELECT last FROM "
       "nodes WHERE id = $1");

/* Learns which text the next transaction has to find. */
static enum store_result read_row(struct pg_session *s)
{
	struct pg_args args = { 0 };

	random_bytes(s->last, sizeof(s->last));
	pg_arg_bytes(&args, s->db->node, POSTGRES_NODE_LEN);
	pg_arg_bytes(&args, s->last, sizeof(s->last));
	size_t at = pg_link_add(&s->link, &sql_row, &args);
	pg_args_finish(&args);
	enum store_result r = pg_link_run(&s->link);
	if (r != STORE_OK) {
		snprintf(s->base.error, sizeof(s->base.error), "%s", s->link.words);
		return s->link.fate == PG_LOST ? STORE_CONFLICT : r;
	}
	const PGresult *row = pg_link_result(&s->link, at);
	s->has_row = PQntuples(row) && PQgetlength(row, 0, 0) == sizeof(s->last);
	if (s->has_row)
		memcpy(s->last, PQgetvalue(row, 0, 0), sizeof(s->last));
	return STORE_OK;
}

static enum store_result connect_to_begin(struct pg_session *s)
{
	enum store_result r = pg_session_connect(s);

	return r == STORE_OK && s->writer && !s->has_row ? read_row(s) : r;
}

enum store_result pg_session_begin(struct store *base)
{
	struct pg_session *s = (struct pg_session *)base;
	enum store_result r;

	assert(!s->open);
	s->open = s->early = s->sent.under_way;
	if (s->open) /* the connection is in use */
		return STORE_OK;
	r = connect_to_begin(s);
	s->base.in_doubt = s->base.stale = false;
	if (r != STORE_OK)
		return r;
	s->open = true;
	if (!s->writer || !was_idle(s))
		return STORE_OK;
	r = try_server(s);
	if (r == STORE_OK)
		return r;
	bool closed = s->link.fate == PG_LOST; /* by a server that was restarted meanwhile */
	pg_session_rollback(base);
	if (!closed)
		return r;
	r = connect_to_begin(s);
	s->open = r == STORE_OK;
	return r;
}

/* ---- statements ---- */

enum store_result pg_may_send(struct pg_session *s)
{
	if (!s->failed && s->sent.under_way)
		pg_spoil(s, STORE_EARLY, "the transaction before this one has not ended yet");
	return s->failed;
}

enum store_result pg_queue(struct pg_session *s, const struct pg_sql *sql,
                           const struct pg_args *args)
{
	if (pg_may_send(s) != STORE_OK)
		return s->failed;
	s->writes = true;
	pg_queue_begin(s);
	pg_link_add(&s->link, sql, args);
	return STORE_OK;
}

static enum store_result ask(struct pg_session *s, const struct pg_sql *sql,
                             const struct pg_args *args, PGresult **result)
{
	pg_queue_begin(s);
	size_t at = pg_link_add(&s->link, sql, args);
	enum store_result r = pg_finish_round(s);

	*result = r == STORE_OK ? pg_link_take(&s->link, at) : NULL;
	return r;
}

/* A reading session whose connection was closed while it was idle has not lost anything. */
static bool may_begin_again(struct pg_session *s)
{
	if (s->writer || s->link.fate != PG_LOST)
		return false;
	s->begun = false;
	if (pg_session_connect(s) != STORE_OK)
		return false;
	s->failed = STORE_OK;
	return true;
}

enum store_result pg_look(struct pg_session *s, const struct pg_sql *sql,
                          const struct pg_args *args, PGresult **result)
{
	bool first = !s->begun;

	*result = NULL;
	if (pg_may_send(s) != STORE_OK)
		return s->failed;
	enum store_result r = ask(s, sql, args, result);
	if (r != STORE_OK && first && may_begin_again(s))
		r = ask(s, sql, args, result);
	return r;
}

static void write_kept(struct pg_session *s)
{
	if (!s->cache.dirty)
		return;
	bool kept = s->relies && !s->begun && pg_flush_checks(&s->cache);
	s->writes = true;
	queue_begin(s, !kept);
	pg_flush(&s->cache, &s->link, kept);
}

enum store_result pg_query(struct pg_session *s, const struct pg_sql *sql,
                           const struct pg_args *args, PGresult **result)
{
	*result = NULL;
	if (pg_may_send(s) != STORE_OK)
		return s->failed;
	write_kept(s);
	return pg_look(s, sql, args, result);
}

enum store_result pg_change(struct pg_session *s, const struct pg_sql *sql,
                            const struct pg_args *args, uint64_t *rows)
{
	PGresult *result;
	enum store_result r = pg_query(s, sql, args, &result);

	s->writes = true;
	*rows = r == STORE_OK ? strtoull(PQcmdTuples(result), NULL, 10) : 0;
	PQclear(result);
	return r;
}

/* ---- ending ---- */

/* Fails if the lost transaction of an earlier connection was given up, or has come meanwhile. */
PG_SQL(sql_group,
       "WITH mine AS (UPDATE nodes SET last = $2, seen = now() WHERE id = $1 AND last = $3 "
       "RETURNING 1) "
       "SELECT CASE WHEN count(*) = 1 THEN pg_current_xact_id()::text::int8 & 4294967295 ELSE "
       "('joblight: this is not the next transaction of its server: ' || count(*))::int8 END FROM "
       "mine");
/* A row that has another text already says no. */
PG_SQL(
    sql_doubt,
    "INSERT INTO nodes AS n (id, last, seen) VALUES ($1, $4, now()) ON CONFLICT (id) DO UPDATE SET "
    "last = CASE WHEN n.last = $3 THEN $4 ELSE n.last END, seen = now() RETURNING last = $2");

/* What is asked about a transaction whose commit has no answer. */
struct doubt {
	struct pg_backend lost;
	const uint8_t *group;
	uint8_t instead[POSTGRES_GROUP_LEN]; /* of the text that the transaction has to find */
};

static size_t add_group(struct pg_session *s, const struct pg_sql *sql, const uint8_t *group,
                        const uint8_t *instead)
{
	struct pg_args args = { 0 };

	pg_arg_bytes(&args, s->db->node, POSTGRES_NODE_LEN);
	pg_arg_bytes(&args, group, POSTGRES_GROUP_LEN);
	pg_arg_bytes(&args, s->last, POSTGRES_GROUP_LEN);
	if (instead)
		pg_arg_bytes(&args, instead, POSTGRES_GROUP_LEN);
	size_t at = pg_link_add(&s->link, sql, &args);
	pg_args_finish(&args);
	return at;
}

PG_SQL(sql_end, "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE "
                "pid = $1::int8 AND " STARTED " = $2");

/* A role that is not that of the connection may not do it, and then it is waited for. */
static void end_backend(struct pg_session *s, const struct pg_backend *lost)
{
	struct pg_args args = { 0 };

	if (!lost->pid || !lost->started[0])
		return;
	pg_arg_i64(&args, lost->pid);
	pg_arg_text(&args, lost->started);
	pg_link_add(&s->link, &sql_end, &args);
	pg_args_finish(&args);
	pg_link_run(&s->link);
}

/* OK: it was committed.  CONFLICT: it never will be.  Anything else: that is not known. */
static enum store_result look_for(struct pg_session *s, const struct doubt *d)
{
	enum store_result r = connect_link(s, true);

	if (r == STORE_OK)
		end_backend(s, &d->lost);
	if (r == STORE_OK) {
		add_group(s, &sql_doubt, d->group, d->instead);
		r = pg_link_run(&s->link);
	}
	if (r != STORE_OK)
		return r == STORE_CONFLICT ? STORE_BUSY : r;
	return pg_bool(pg_link_result(&s->link, s->link.count - 1), 0, 0) ? STORE_OK
	                                                                  : STORE_CONFLICT;
}

static enum store_result settle_doubt(struct pg_session *s, const uint8_t *group)
{
	uint64_t until = clock_monotonic_ms() + DOUBT_MS;
	struct doubt d = { .lost = s->backend, .group = group }; /* connecting again changes it */
	enum store_result r;

	random_bytes(d.instead, sizeof(d.instead));
	log_warn("the connection to the database was lost while it committed; it is asked whether "
	         "it has",
	         "cause", s->link.words);
	do
		r = look_for(s, &d);
	while (r != STORE_OK && r != STORE_CONFLICT && clock_monotonic_ms() < until);
	if (r == STORE_OK || r == STORE_CONFLICT)
		log_info("the database was asked", "committed", r == STORE_OK ? "yes" : "no");
	else
		log_error("it is not known whether the last writes were committed", "cause",
		          s->link.words);
	return r;
}

/* Whether this was the commit of a transaction that was not aborted before. */
static bool has_committed(const PGresult *result)
{
	return strcmp(PQcmdStatus((PGresult *)(uintptr_t)result), "COMMIT") == 0;
}

/* The statement itself; those after it are not run. */
static bool has_failed(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_FATAL_ERROR;
}

/* Fails like sql_jobs_check (postgres_expect.c). */
PG_SQL(sql_answers_check,
       "SELECT CASE WHEN count(*) = 0 THEN 0 ELSE ('joblight: the transaction is run again, "
       "because requests are repeated: ' || count(*))::int8 END FROM unnest($1::text[], "
       "$2::text[]) AS x(scope, key) JOIN idempotency a ON a.scope = x.scope AND a.key = x.key");

/* An answer that was taken to be absent and is written must not be there, or the insert fails.
 * Those of requests that were refused are looked for. */
void pg_queue_answer_checks(struct pg_session *s)
{
	struct pg_rows rows = { .types = "tt" };
	struct pg_args args = { 0 };

	for (const struct pg_answer *a = s->cache.answers; a; a = a->hh.next) {
		s->guesses |= a->unread;
		if (!a->unread || !a->absent)
			continue;
		pg_put_text(&rows, a->row.scope);
		pg_put_text(&rows, a->row.key);
	}
	if (rows.count) {
		pg_args_rows(&args, &rows);
		pg_link_add(&s->link, &sql_answers_check, &args);
		pg_args_finish(&args);
	}
	pg_rows_finish(&rows);
}

static void rows_failed(struct pg_session *s)
{
	for (const struct pg_job *job = s->cache.jobs; job; job = job->hh.next)
		if (job->state == PG_STORED)
			pg_kept_failed(&s->kept, job->row.key, job->version);
}

static void sent_rows_failed(struct pg_session *s)
{
	if (s->sent.relies)
		for (size_t i = 0; i < s->sent.rows.count; i++)
			pg_kept_failed(&s->kept, s->sent.rows.jobs[i].key,
			               s->sent.rows.jobs[i].version);
	if (s->sent.guesses)
		pg_kept_answers_failed(&s->kept);
	pg_kept_forget(&s->kept, &s->sent.rows);
}

/* A pooler may give the next transaction to another server, which has other versions of rows. */
static void send_commit(struct pg_session *s)
{
	pg_queue_answer_checks(s);
	s->sent.guesses = s->guesses;
	s->sent.relies = s->relies;
	random_bytes(s->sent.group, sizeof(s->sent.group));
	s->sent.at_group = add_group(s, &sql_group, s->sent.group, NULL);
	s->sent.at_commit = pg_link_add(&s->link, &sql_commit, NULL);
	pg_link_send(&s->link); /* a failure is seen when the answer is waited for */
	s->sent.under_way = true;
	s->sent.rows.count = 0;
	if (!s->link.pooled)
		pg_kept_send(&s->kept, &s->cache, &s->sent.rows);
	end(s);
}

static enum store_result commit_reads(struct pg_session *s)
{
	if (!s->begun && !s->relies)
		return STORE_OK;
	pg_queue_begin(s);
	pg_queue_answer_checks(s);
	pg_link_add(&s->link, &sql_commit, NULL);
	enum store_result r = pg_finish_round(s);
	if (r == STORE_OK && s->relies)
		pg_kept_save(&s->kept, &s->cache, 0);
	return r;
}

enum store_result pg_session_commit_start(struct store *base)
{
	struct pg_session *s = (struct pg_session *)base;

	if (pg_may_send(s) != STORE_OK)
		return s->failed;
	write_kept(s);
	if (s->writes && s->limits_asked && pg_finish_round(s) != STORE_OK)
		return s->failed;
	if (s->writes) {
		send_commit(s);
		return STORE_OK;
	}
	enum store_result r = commit_reads(s);
	if (r == STORE_OK)
		end(s);
	return r;
}

static void say(struct pg_session *s, const char *words)
{
	snprintf(s->base.error, sizeof(s->base.error), "%s", words);
}

/* The server has answered that the transaction was not committed. */
static void end_failed(struct pg_session *s)
{
	pg_link_add(&s->link, &sql_rollback, NULL);
	pg_link_run(&s->link);
}

/* Of the transaction that was sent; `r` is that of its last round. */
static enum store_result find_out(struct pg_session *s, enum store_result r)
{
	bool alive = s->link.fate == PG_ALIVE;

	s->has_row &= alive && !has_failed(pg_link_result(&s->link, s->sent.at_group));
	if (alive) {
		say(s,
		    r == STORE_OK ? "PostgreSQL has rolled the transaction back" : s->link.words);
		end_failed(s);
		return r == STORE_OK ? STORE_CONFLICT : r;
	}
	r = settle_doubt(s, s->sent.group);
	s->base.in_doubt = r != STORE_OK && r != STORE_CONFLICT;
	if (r != STORE_OK)
		say(s, s->link.words);
	else if (s->open) /* what it has was kept for the connection that is lost */
		pg_spoil(s, STORE_EARLY, "the connection was lost meanwhile");
	return r;
}

bool pg_session_commit_finish(struct store *base, uint64_t wait_us, int wake_fd,
                              enum store_result *result)
{
	struct pg_session *s = (struct pg_session *)base;
	enum store_result r;

	*result = STORE_OK;
	if (!s->sent.under_way)
		return true;
	if (!pg_link_receive(&s->link, wait_us, wake_fd, &r))
		return false;
	s->sent.under_way = false;
	if (r == STORE_OK && has_committed(pg_link_result(&s->link, s->sent.at_commit))) {
		const PGresult *group = pg_link_result(&s->link, s->sent.at_group);
		memcpy(s->last, s->sent.group, sizeof(s->last));
		pg_kept_committed(&s->kept, &s->cache, &s->sent.rows,
		                  (uint32_t)pg_i64(group, 0, 0));
		return true;
	}
	*result = find_out(s, r);
	s->base.stale = *result == STORE_CONFLICT && s->sent.relies;
	if (*result != STORE_OK)
		sent_rows_failed(s);
	return true;
}

enum store_result pg_session_commit(struct store *base)
{
	struct pg_session *s = (struct pg_session *)base;
	enum store_result r = pg_session_commit_start(base);

	if (r != STORE_OK)
		return r;
	pg_session_commit_finish(base, UINT64_MAX, -1, &r);
	s->open = r != STORE_OK; /* until it is rolled back */
	s->failed = r;
	return r;
}

void pg_session_rollback(struct store *base)
{
	struct pg_session *s = (struct pg_session *)base;

	if (s->open && s->begun && s->link.conn) {
		pg_link_settle(&s->link);
		pg_link_add(&s->link, &sql_rollback, NULL);
		pg_link_run(&s->link);
	}
	if (s->relies && s->begun)
		rows_failed(s);
	if (s->guesses)
		pg_kept_answers_failed(&s->kept);
	end(s);
}
