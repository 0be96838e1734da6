/*
 * How transactions end.
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

#define DOUBT_MS 8000 /* so long it is tried to find out whether a transaction was committed */

PG_SQL(sql_commit, "COMMIT");

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
                "pid = $1::int8 AND " PG_STARTED " = $2");

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
	enum store_result r = pg_session_connect(s, true);

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

	for (const struct pg_answer *a = s->cache.answers; a; a = a->hh.next) {
		s->guesses |= a->unread;
		if (!a->unread || !a->absent)
			continue;
		pg_put_text(&rows, a->row.scope);
		pg_put_text(&rows, a->row.key);
	}
	pg_link_add_rows(&s->link, &sql_answers_check, &rows);
	pg_rows_finish(&rows);
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
	pg_session_end(s);
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
	pg_write_cache(s);
	if (s->writes && s->limits_asked && pg_finish_round(s) != STORE_OK)
		return s->failed;
	if (s->writes) {
		send_commit(s);
		return STORE_OK;
	}
	enum store_result r = commit_reads(s);
	if (r == STORE_OK)
		pg_session_end(s);
	return r;
}

static void say(struct pg_session *s, const char *words)
{
	snprintf(s->base.error, sizeof(s->base.error), "%s", words);
}

/* Of the transaction that was sent; `r` is that of its last round. */
static enum store_result find_out(struct pg_session *s, enum store_result r)
{
	bool alive = s->link.fate == PG_ALIVE;

	s->has_row &= alive && !has_failed(pg_link_result(&s->link, s->sent.at_group));
	if (alive) {
		say(s,
		    r == STORE_OK ? "PostgreSQL has rolled the transaction back" : s->link.words);
		pg_roll_back(s);
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
