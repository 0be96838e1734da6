/*
 * Transactions.  One begins in the first round that it needs, so that a transaction without rows
 * costs nothing, and a group of writes two rounds.
 */
#include "postgres.h"

#include <stdio.h>
#include <string.h>

#include "joblight/base/clock.h"
#include "joblight/base/random.h"

#define IDLE_MS 200 /* a connection that was idle for longer is tried before it is used */

enum store_result pg_spoil(struct pg_session *s, enum store_result how, const char *words)
{
	s->failed = how;
	s->base.stale = (s->relies || s->owns) && how == STORE_CONFLICT;
	if (words != s->base.error)
		snprintf(s->base.error, sizeof(s->base.error), "%s", words);
	return how;
}

/* ---- connecting ---- */

PG_SQL(sql_hello, "SELECT pg_backend_pid()::int8, current_setting('server_encoding'), "
                  "current_setting('server_version_num')::int8, (SELECT " PG_STARTED
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

static bool check_server(struct pg_session *s, const PGresult *hello)
{
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
	size_t hello = pg_link_add(&s->link, &sql_hello, NULL);
	if (pg_link_run(&s->link) != STORE_OK || !check_server(s, pg_link_result(&s->link, hello)))
		return false;
	if (s->link.pooled)
		return pg_is_finished(s);
	pg_link_add(&s->link, &sql_settings, NULL);
	if (s->writer && !s->db->is_durable)
		pg_link_add(&s->link, &sql_quick, NULL);
	return pg_link_run(&s->link) == STORE_OK && (!s->writer || pg_take_part(s)) &&
	       pg_is_finished(s);
}

enum store_result pg_session_connect(struct pg_session *s, bool insist)
{
	enum store_result r = pg_link_connect(&s->link, insist, set_up, s);

	if (r != STORE_OK)
		snprintf(s->base.error, sizeof(s->base.error), "%s", s->link.words);
	return r;
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

/* Locks the kept rows like sql_jobs_lock (postgres_expect.c).  The text that is not a number ends
 * the transaction. */
PG_SQL(sql_jobs_check,
       "SELECT CASE WHEN count(*) = cardinality($1::int8[]) THEN 0 ELSE ('" PG_JOBS_SHARED
       "' || cardinality($1::int8[]) - count(*))::int8 END FROM (SELECT FROM unnest($1::int8[], "
       "$2::xid[]) "
       "AS x(key, version) JOIN jobs j ON j.key = x.key AND j.xmin = x.version "
       "ORDER BY j.key FOR NO KEY UPDATE OF j) AS locked");

void pg_queue_checks(struct pg_session *s)
{
	struct pg_rows checks = { .types = "ix" };

	pg_kept_checks(&s->cache, &checks);
	pg_link_add_rows(&s->link, &sql_jobs_check, &checks);
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

void pg_session_end(struct pg_session *s)
{
	pg_cache_clear(&s->cache);
	s->open = s->early = s->begun = s->writes = s->limits_asked = s->relies = s->owns =
	    s->guesses = false;
	s->failed = STORE_OK;
}

PG_SQL(sql_rollback, "ROLLBACK");

void pg_roll_back(struct pg_session *s)
{
	pg_link_add(&s->link, &sql_rollback, NULL);
	pg_link_run(&s->link);
}

static void rows_failed(struct pg_session *s)
{
	for (const struct pg_job *job = s->cache.jobs; job; job = job->hh.next)
		if (job->state == PG_STORED)
			pg_kept_failed(&s->kept, job->row.key, job->row.id, job->version);
}

void pg_session_rollback(struct store *base)
{
	struct pg_session *s = (struct pg_session *)base;

	if (s->open && s->begun && s->link.conn) {
		pg_link_run(&s->link); /* however that ends */
		pg_roll_back(s);
	}
	if (s->relies && s->begun)
		rows_failed(s);
	if (s->owns)
		pg_own_roll_back(&s->kept.own, &s->cache);
	if (s->guesses)
		pg_kept_answers_failed(&s->kept);
	pg_session_end(s);
}

static bool was_idle(const struct pg_session *s)
{
	return clock_monotonic_ms() - s->link.used_ms >= IDLE_MS;
}

PG_SQL(sql_row,
       "WITH made AS (INSERT INTO nodes (id, last, seen) VALUES ($1, $2, now()) ON CONFLICT "
       "(id) DO NOTHING RETURNING last) SELECT last FROM made UNION ALL SELECT last FROM "
       "nodes WHERE id = $1");
/* Changes nothing if it is executed late, when the row has another text again. */
PG_SQL(sql_row_put, "UPDATE nodes SET last = $2, seen = now() WHERE id = $1 AND last = $3 "
                    "RETURNING last");

/* *last is the text that the row has then.  CONFLICT also if the statement returned none. */
static enum store_result ask_row(struct pg_session *s, const struct pg_sql *sql,
                                 const struct pg_args *args, uint8_t *last)
{
	size_t at = pg_link_add(&s->link, sql, args);
	enum store_result r = pg_link_run(&s->link);
	const PGresult *row = r == STORE_OK ? pg_link_result(&s->link, at) : NULL;

	if (row && PQntuples(row) && PQgetlength(row, 0, 0) == POSTGRES_GROUP_LEN) {
		memcpy(last, PQgetvalue(row, 0, 0), POSTGRES_GROUP_LEN);
		return STORE_OK;
	}
	snprintf(s->base.error, sizeof(s->base.error), "%s",
	         row ? "the row of this server in `nodes` has been changed" : s->link.words);
	return row || s->link.fate == PG_LOST ? STORE_CONFLICT : r;
}

/* Puts the text that the next transaction has to find.  One that was sent over another connection,
 * and of which it is not known what became of it, has been committed by then or never will be. */
static enum store_result put_row(struct pg_session *s)
{
	struct pg_args args = { 0 };
	uint8_t found[POSTGRES_GROUP_LEN], text[POSTGRES_GROUP_LEN];

	random_bytes(text, sizeof(text));
	pg_arg_bytes(&args, s->db->node, POSTGRES_NODE_LEN);
	pg_arg_bytes(&args, text, sizeof(text));
	enum store_result r = ask_row(s, &sql_row, &args, found);
	random_bytes(text, sizeof(text));
	pg_args_finish(&args);
	if (r != STORE_OK)
		return r;
	args = (struct pg_args){ 0 };
	pg_arg_bytes(&args, s->db->node, POSTGRES_NODE_LEN);
	pg_arg_bytes(&args, text, sizeof(text));
	pg_arg_bytes(&args, found, sizeof(found));
	r = ask_row(s, &sql_row_put, &args, s->last);
	pg_args_finish(&args);
	s->has_row = r == STORE_OK;
	return r;
}

static enum store_result connect_to_begin(struct pg_session *s)
{
	enum store_result r = pg_session_connect(s, false);

	return r == STORE_OK && s->writer && !s->has_row ? put_row(s) : r;
}

enum store_result pg_session_begin(struct store *base)
{
	struct pg_session *s = (struct pg_session *)base;
	enum store_result r;

	assert(!s->open);
	s->base.shares = false;
	s->open = s->early = s->sent_count;
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
	if (!s->failed && s->sent_count)
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
	if (pg_session_connect(s, false) != STORE_OK)
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

void pg_write_cache(struct pg_session *s)
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
	pg_write_cache(s);
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
