/* The tables: they are made, or brought up to date from an earlier version. */
#include <stdio.h>

#include "postgres.h"
#include "schema_postgres.h"

#define SCHEMA_WAIT_MS 30000

/* Nodes that start at the same time make the tables one after another. */
#define BEGIN                                                                                      \
	"BEGIN; SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '30s'; "             \
	"SELECT pg_advisory_xact_lock(1785489012, 1); "

static bool fail(struct pg_session *s, const char *words)
{
	snprintf(s->base.error, sizeof(s->base.error), "%s", words);
	return false;
}

static bool run_script(struct pg_session *s, const char *text)
{
	bool ok = pg_link_script(&s->link, text) == STORE_OK;

	return ok || fail(s, s->link.words);
}

/*
 * A query of the catalog, because to_regclass() in a transaction may answer from what the session
 * knew before it waited for the lock.
 */
PG_SQL(sql_version_known, "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN "
                          "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
                          "c.relname = 'joblight' AND n.nspname = current_schema())");
PG_SQL(sql_version, "SELECT version::int8 FROM joblight");

/* NULL: it failed. */
static const PGresult *ask(struct pg_session *s, const struct pg_sql *sql)
{
	size_t at = pg_link_add(&s->link, sql, NULL);

	if (pg_link_run(&s->link) == STORE_OK)
		return pg_link_result(&s->link, at);
	fail(s, s->link.words);
	return NULL;
}

/* *version 0: there are no tables. */
static bool read_version(struct pg_session *s, int64_t *version)
{
	*version = 0;
	const PGresult *known = ask(s, &sql_version_known);
	if (!known || !pg_bool(known, 0, 0))
		return known != NULL;
	const PGresult *result = ask(s, &sql_version);
	if (!result)
		return false;
	*version = PQntuples(result) ? pg_i64(result, 0, 0) : 0;
	return *version || fail(s, "the table joblight has lost its row, which has the version of "
	                           "the tables; restore a backup");
}

/* Within the lock it may have been made by another node. */
static bool make_tables(struct pg_session *s)
{
	int64_t version;

	if (!run_script(s, BEGIN))
		return false;
	bool ok = read_version(s, &version) && (version || run_script(s, schema_postgres));
	char words[sizeof(s->base.error)];
	memcpy(words, s->base.error, sizeof(words));
	if (run_script(s, ok ? "COMMIT" : "ROLLBACK"))
		return ok || fail(s, words);
	return false;
}

PG_SQL(sql_imports_drop, "WITH gone AS (DELETE FROM imports i WHERE NOT EXISTS (SELECT 1 FROM "
                         "nodes n WHERE n.id = i.node AND n.seen > now() - interval '1 hour') "
                         "RETURNING key) INSERT INTO deleted_jobs (key) SELECT key FROM gone "
                         "ON CONFLICT DO NOTHING");
PG_SQL(sql_nodes_drop, "DELETE FROM nodes WHERE seen < now() - interval '1 day'");

/* What nodes have left behind that are gone. */
static bool drop_remains(struct pg_session *s)
{
	pg_link_add(&s->link, &sql_imports_drop, NULL);
	pg_link_add(&s->link, &sql_nodes_drop, NULL);
	return pg_link_run(&s->link) == STORE_OK || fail(s, s->link.words);
}

static bool refuse_version(struct pg_session *s, int64_t version)
{
	snprintf(s->base.error, sizeof(s->base.error),
	         "the tables have version %lld, and this joblight knows %d: they belong to a newer "
	         "one",
	         (long long)version, POSTGRES_SCHEMA_VERSION);
	return false;
}

/* The negative one is that of a copy that is not finished. */
static bool accept_version(struct pg_session *s, int64_t version)
{
	if (version < 0 && !s->db->any)
		return fail(s, DATABASE_UNFINISHED);
	version = version < 0 ? -version : version;
	return version <= POSTGRES_SCHEMA_VERSION || refuse_version(s, version);
}

static bool settle(struct pg_session *s)
{
	int64_t version;

	if (!read_version(s, &version))
		return false;
	if (!version && !(make_tables(s) && read_version(s, &version)))
		return false;
	return accept_version(s, version) && drop_remains(s);
}

/* Nobody is served yet, and tables take longer than rows. */
bool postgres_settle_schema(struct pg_session *s)
{
	s->link.wait_ms = SCHEMA_WAIT_MS;
	bool ok = settle(s);
	s->link.wait_ms = PG_WAIT_MS;
	return ok;
}

bool postgres_check_schema(struct pg_session *s)
{
	int64_t version;

	if (!read_version(s, &version))
		return false;
	if (!version)
		return fail(s, "there are no tables of joblight");
	return accept_version(s, version);
}

PG_SQL(sql_mark, "UPDATE joblight SET version = CASE WHEN $1::int8 > 0 THEN -abs(version) "
                 "ELSE abs(version) END");

bool postgres_mark(struct database *base, bool unfinished, char *error, size_t error_len)
{
	struct store *s = base->writer;
	struct pg_args args = { 0 };
	enum store_result r = s->ops->begin(s);

	pg_arg_i64(&args, unfinished);
	if (r == STORE_OK)
		r = pg_queue(pg_session(s), &sql_mark, &args);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	pg_args_finish(&args);
	if (r == STORE_OK)
		return true;
	snprintf(error, error_len, "%s", store_error(s));
	s->ops->rollback(s);
	return false;
}
