/*
 * A database that is being copied is used by nobody else.  Every connection that writes shares an
 * advisory lock with the others, and a process that is to be alone has it for itself.  The server
 * gives it back when the connection ends, however that happens.
 *
 * Between a node and the server may be a pooler, which lends its connections for one transaction
 * only: such a node takes the lock in each of its transactions (postgres_session.c).
 */
#include "postgres.h"

#include <stdio.h>

PG_SQL(sql_share, "SELECT pg_advisory_lock_shared(" PG_USERS_LOCK ")");
PG_SQL(sql_claim, "SELECT pg_advisory_lock(" PG_USERS_LOCK ")");

/* It is waited for as long as for every lock, because a process that was killed may still have it
 * for a moment. */
static bool take_lock(struct pg_session *s, const struct pg_sql *sql, const char *refusal)
{
	pg_link_add(&s->link, sql, NULL);
	if (pg_link_run(&s->link) == STORE_OK)
		return true;
	if (strstr(s->link.words, "55P03"))
		snprintf(s->link.words, sizeof(s->link.words), "%s", refusal);
	return false;
}

bool pg_take_part(struct pg_session *s)
{
	if (s->db->alone)
		return take_lock(s, &sql_claim, "a joblight server uses the database");
	return take_lock(s, &sql_share,
	                 "the database is being copied by `joblight db copy`; wait for its end");
}

PG_SQL(sql_is_finished, "SELECT version > 0 FROM joblight");

bool pg_is_finished(struct pg_session *s)
{
	if (!s->db->settled || s->db->any)
		return true;
	size_t at = pg_link_add(&s->link, &sql_is_finished, NULL);
	if (pg_link_run(&s->link) != STORE_OK)
		return false;
	const PGresult *result = pg_link_result(&s->link, at);
	if (PQntuples(result) && pg_bool(result, 0, 0))
		return true;
	snprintf(s->link.words, sizeof(s->link.words), "%s", DATABASE_UNFINISHED);
	return false;
}

PG_SQL(sql_imports_end, "WITH gone AS (DELETE FROM imports RETURNING key) "
                        "INSERT INTO deleted_jobs (key) SELECT key FROM gone");

/* Imports that others have not ended never will be. */
static bool drop_imports(struct pg_session *s)
{
	pg_link_add(&s->link, &sql_imports_end, NULL);
	return pg_link_run(&s->link) == STORE_OK;
}

bool postgres_claim(struct database *base, char *error, size_t error_len)
{
	struct postgres *db = (struct postgres *)base;
	struct pg_session *s = (struct pg_session *)base->writer;

	if (s->link.pooled) {
		snprintf(error, error_len,
		         "the address is that of a pooler; give that of PostgreSQL itself");
		return false;
	}
	if (take_lock(s, &sql_claim, "a joblight server uses the database; stop it first") &&
	    drop_imports(s)) {
		db->alone = true;
		return true;
	}
	snprintf(error, error_len, "%s", s->link.words);
	return false;
}
