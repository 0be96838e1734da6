/*
 * How transactions end.
 *
 * When the connection breaks while a transaction commits, it may have been committed or not, or be
 * under way still.  Every transaction that writes therefore puts a random text in the row of this
 * node, and fails if it does not find the text of the one before there.  The next connection looks
 * for the text, and replaces the one that it finds, so that a transaction that was not committed
 * never will be.  It also ends the process of the server that the lost connection had, if it may,
 * so that what was locked there is not for long.
 *
 * The same texts let a transaction be sent while the one before it is under way: if that one fails,
 * so does this one.
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
/* How many of two transactions were committed.  $2, $3 and $4 are the texts that the first one has
 * to find, that it puts, and that the second one puts; $5 and $6 are put in the place of the first
 * two.  A row that has another text already says none. */
PG_SQL(
    sql_doubt,
    "INSERT INTO nodes AS n (id, last, seen) VALUES ($1, $5, now()) ON CONFLICT (id) DO UPDATE SET "
    "last = CASE n.last WHEN $2 THEN $5 WHEN $3 THEN $6 ELSE n.last END, seen = now() "
    "RETURNING (CASE last WHEN $6 THEN 1 WHEN $4 THEN 2 ELSE 0 END)::int8");

/* That of the transaction before the next one. */
static const uint8_t *text_before(const struct pg_session *s)
{
	return s->sent_count ? s->sent[s->sent_count - 1].group : s->last;
}

static size_t add_group(struct pg_session *s)
{
	struct pg_args args = { 0 };

	pg_arg_bytes(&args, s->db->node, POSTGRES_NODE_LEN);
	pg_arg_bytes(&args, s->sent[s->sent_count].group, POSTGRES_GROUP_LEN);
	pg_arg_bytes(&args, text_before(s), POSTGRES_GROUP_LEN);
	size_t at = pg_link_add(&s->link, &sql_group, &args);
	pg_args_finish(&args);
	return at;
}

/* What is asked about transactions whose commits have no answers. */
struct doubt {
	struct pg_backend lost;
	uint8_t instead[STORE_SENT_MAX][POSTGRES_GROUP_LEN];
	size_t committed; /* so many of them were */
};

_Static_assert(STORE_SENT_MAX == 2, "sql_doubt asks about two");

static size_t add_doubt(struct pg_session *s, const struct doubt *d)
{
	struct pg_args args = { 0 };

	pg_arg_bytes(&args, s->db->node, POSTGRES_NODE_LEN);
	pg_arg_bytes(&args, s->last, POSTGRES_GROUP_LEN);
	pg_arg_bytes(&args, s->sent[0].group, POSTGRES_GROUP_LEN);
	pg_arg_bytes(&args, s->sent[s->sent_count - 1].group, POSTGRES_GROUP_LEN);
	for (size_t i = 0; i < STORE_SENT_MAX; i++)
		pg_arg_bytes(&args, d->instead[i], POSTGRES_GROUP_LEN);
	size_t at = pg_link_add(&s->link, &sql_doubt, &args);
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

static enum store_result look_for(struct pg_session *s, struct doubt *d)
{
	enum store_result r = pg_session_connect(s, true);

	if (r != STORE_OK)
		return r;
	end_backend(s, &d->lost);
	size_t at = add_doubt(s, d);
	r = pg_link_run(&s->link);
	if (r == STORE_OK)
		d->committed = (size_t)pg_i64(pg_link_result(&s->link, at), 0, 0);
	return r;
}

static enum store_result settle_doubt(struct pg_session *s, size_t *committed)
{
	uint64_t until = clock_monotonic_ms() + DOUBT_MS;
	struct doubt d = { .lost = s->backend }; /* connecting again changes it */
	enum store_result r;

	random_bytes(d.instead, sizeof(d.instead));
	log_warn("the connection to the database was lost while it committed; it is asked whether "
	         "it has",
	         "cause", s->link.words);
	do
		r = look_for(s, &d);
	while (r != STORE_OK && clock_monotonic_ms() < until);
	*committed = d.committed;
	if (r == STORE_OK)
		log_info("the database was asked", "committed",
		         d.committed == s->sent_count ? "yes"
		         : d.committed                ? "the first of two groups"
		                                      : "no");
	else
		log_error("it is not known whether the last writes were committed", "cause",
		          s->link.words);
	return r == STORE_CONFLICT ? STORE_BUSY : r;
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

static void sent_rows_failed(struct pg_session *s, const struct pg_sent_commit *sent)
{
	if (sent->relies)
		for (size_t i = 0; i < sent->rows.count; i++)
			pg_kept_failed(&s->kept, sent->rows.jobs[i].key, sent->rows.jobs[i].id,
			               sent->rows.jobs[i].version);
	if (sent->guesses)
		pg_kept_answers_failed(&s->kept);
	pg_own_failed(&s->kept.own);
	pg_kept_forget(&s->kept, &sent->rows);
}

/* A pooler may give the next transaction to another server, which has other versions of rows. */
static void send_commit(struct pg_session *s)
{
	struct pg_sent_commit *sent = &s->sent[s->sent_count];

	pg_queue_answer_checks(s);
	pg_queue_task_checks(s);
	sent->guesses = s->guesses;
	sent->relies = s->relies;
	sent->owns = s->owns;
	sent->has_ended = sent->in_doubt = false;
	random_bytes(sent->group, sizeof(sent->group));
	sent->at_group = add_group(s);
	sent->at_commit = pg_link_add(&s->link, &sql_commit, NULL);
	pg_link_send(&s->link); /* a failure is seen when the answer is waited for */
	s->sent_count++;
	sent->rows.count = 0;
	if (!s->link.pooled)
		pg_kept_send(&s->kept, &s->cache, s->relies, &sent->rows);
	pg_session_end(s);
}

static enum store_result commit_reads(struct pg_session *s)
{
	if (!s->begun && !s->relies)
		return STORE_OK;
	pg_queue_begin(s);
	pg_queue_answer_checks(s);
	pg_queue_task_checks(s);
	pg_link_add(&s->link, &sql_commit, NULL);
	enum store_result r = pg_finish_round(s);
	if (r == STORE_OK && s->relies)
		pg_kept_save(&s->kept, &s->cache, 0);
	return r;
}

bool pg_session_commit_may_start(struct store *base)
{
	const struct pg_session *s = (const struct pg_session *)base;

	if (!s->sent_count)
		return true;
	return s->sent_count < STORE_SENT_MAX && !s->failed && s->relies && !s->begun &&
	       pg_kept_have_versions(&s->cache);
}

enum store_result pg_session_commit_start(struct store *base)
{
	struct pg_session *s = (struct pg_session *)base;

	if (!s->failed && s->cache.dirty && pg_session_commit_may_start(base))
		pg_write_cache(s);
	else if (pg_may_send(s) != STORE_OK)
		return s->failed;
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

static void end(struct pg_sent_commit *sent, enum store_result r)
{
	sent->has_ended = true;
	sent->result = r;
}

/* The oldest of those that were sent has failed with `r`, and so have those after it. */
static void end_all(struct pg_session *s, enum store_result r)
{
	s->has_row &= !has_failed(pg_link_result(&s->link, s->sent[0].at_group));
	say(s, r == STORE_OK ? "PostgreSQL has rolled the transaction back" : s->link.words);
	end(&s->sent[0], r == STORE_OK ? STORE_CONFLICT : r);
	for (size_t i = 1; i < s->sent_count; i++) {
		pg_link_receive(&s->link, UINT64_MAX, -1, &r);
		end(&s->sent[i], STORE_CONFLICT);
	}
	pg_roll_back(s);
}

/* The connection was lost. */
static void find_out(struct pg_session *s)
{
	size_t committed = 0;
	enum store_result r = settle_doubt(s, &committed);

	s->has_row = false;
	for (size_t i = 0; i < s->sent_count; i++) {
		s->sent[i].in_doubt = r != STORE_OK;
		end(&s->sent[i], r == STORE_OK && i >= committed ? STORE_CONFLICT : r);
	}
	if (r != STORE_OK || committed < s->sent_count)
		say(s, s->link.words);
	if (committed && s->open) /* what it has was kept for the connection that is lost */
		pg_spoil(s, STORE_EARLY, "the connection was lost meanwhile");
}

/* What the results of the oldest one say, which have come. */
static void take_end(struct pg_session *s, enum store_result r)
{
	struct pg_sent_commit *sent = &s->sent[0];

	if (s->link.fate != PG_ALIVE) {
		find_out(s);
	} else if (r != STORE_OK || !has_committed(pg_link_result(&s->link, sent->at_commit))) {
		end_all(s, r);
	} else {
		const PGresult *group = pg_link_result(&s->link, sent->at_group);
		memcpy(s->last, sent->group, sizeof(s->last));
		pg_kept_committed(&s->kept, &s->cache, &sent->rows, (uint32_t)pg_i64(group, 0, 0));
		end(sent, STORE_OK);
	}
}

static void remove_oldest(struct pg_session *s)
{
	struct pg_sent_commit oldest = s->sent[0];

	memmove(&s->sent[0], &s->sent[1], (STORE_SENT_MAX - 1) * sizeof(s->sent[0]));
	s->sent[STORE_SENT_MAX - 1] = oldest; /* its memory is used again */
	s->sent_count--;
}

bool pg_session_commit_finish(struct store *base, uint64_t wait_us, int wake_fd,
                              enum store_result *result)
{
	struct pg_session *s = (struct pg_session *)base;
	const struct pg_sent_commit *sent = &s->sent[0];
	enum store_result r;

	*result = STORE_OK;
	if (!s->sent_count)
		return true;
	if (!sent->has_ended && !pg_link_receive(&s->link, wait_us, wake_fd, &r))
		return false;
	if (!sent->has_ended)
		take_end(s, r);
	*result = sent->result;
	s->base.in_doubt = sent->in_doubt;
	s->base.stale = *result == STORE_CONFLICT && (sent->relies || sent->owns);
	if (*result != STORE_OK)
		sent_rows_failed(s, sent);
	remove_oldest(s);
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
