/* The schema of the SQLite store: it is created, or brought up to date from an earlier version. */
#include "joblight/base/log.h"
#include "schema.h"
#include "sqlite.h"

static int create_schema(sqlite3 *db)
{
	char marks[96];
	int code;

	snprintf(marks, sizeof marks, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
	         SQLITE_APPLICATION_ID, SQLITE_SCHEMA_VERSION);
	code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, schema_sqlite, NULL, NULL, NULL);
	return code == SQLITE_OK ? sqlite3_exec(db, marks, NULL, NULL, NULL) : code;
}

/*
 * Version 1 used the id of the job as the scope of idempotency keys, and deleted the rows of a job
 * together with the job.
 */
static const char from_version_1[] =
    "CREATE TABLE deleted_jobs (key INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL, monotonic "
    "INTEGER NOT NULL, "
    "boottime INTEGER NOT NULL, wall INTEGER NOT NULL, steady INTEGER NOT NULL, trusted INTEGER "
    "NOT NULL) STRICT;"
    "UPDATE idempotency SET scope = (SELECT '#' || key FROM jobs WHERE id = scope) "
    "WHERE scope IN (SELECT id FROM jobs);"
    "PRAGMA user_version=2";

/* Version 2 had no access keys. */
static const char from_version_2[] =
    "CREATE TABLE access_keys (id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL, rights INTEGER NOT "
    "NULL, name TEXT NOT NULL, jobs TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT "
    "NULL, revoked INTEGER NOT NULL) STRICT;"
    "PRAGMA user_version=3";

/* Version 3 had no tokens. */
static const char from_version_3[] =
    "CREATE TABLE signing_key (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, secret "
    "BLOB NOT NULL) STRICT;"
    "CREATE TABLE revoked_tokens (id TEXT PRIMARY KEY, expires INTEGER NOT NULL) STRICT, WITHOUT "
    "ROWID;"
    "PRAGMA user_version=4";

/*
 * Version 4 knew neither the creator of a job nor the bytes of its events.  The events of ended
 * jobs are not counted, because nothing is added to them.
 */
static const char from_version_4[] =
    "ALTER TABLE jobs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN creator TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX jobs_open_by_creator ON jobs (creator) WHERE ended = 0 AND creator <> '';"
    "UPDATE jobs SET bytes = (SELECT ifnull(sum(length(CAST(json AS BLOB))), 0) FROM job_activity "
    "WHERE job = jobs.key) WHERE ended = 0;"
    "PRAGMA user_version=5";

/*
 * Version 5 pruned by age and length only, kept ended jobs forever, and could not import.  Events
 * that were pruned before are not counted, neither as such nor in all.
 */
static const char from_version_5[] =
    "ALTER TABLE jobs ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;"
    "UPDATE jobs SET bytes = (SELECT ifnull(sum(length(CAST(json AS BLOB))), 0) FROM job_activity "
    "WHERE job = jobs.key) WHERE ended > 0;"
    "DROP INDEX jobs_prunable_by_end;"
    "CREATE INDEX jobs_prunable_by_end ON jobs (max(ended, imported)) WHERE ended > 0 AND first < "
    "seq;"
    "CREATE INDEX jobs_prunable_by_bytes ON jobs (bytes - pruned) WHERE ended > 0 AND first < seq;"
    "CREATE INDEX jobs_by_end ON jobs (max(ended, imported)) WHERE ended > 0;"
    "CREATE TABLE imports (key INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE job_days (day INTEGER NOT NULL, job INTEGER NOT NULL, id TEXT NOT NULL, status "
    "INTEGER NOT NULL, created INTEGER NOT NULL, ended INTEGER NOT NULL, events INTEGER NOT NULL, "
    "bytes INTEGER NOT NULL, tasks INTEGER NOT NULL, completed INTEGER NOT NULL, failed INTEGER "
    "NOT NULL, cancelled INTEGER NOT NULL, deliverables INTEGER NOT NULL, PRIMARY KEY (day, job)) "
    "STRICT, WITHOUT ROWID;"
    "PRAGMA user_version=6";

static const char *const upgrades[] = { from_version_1, from_version_2, from_version_3,
	                                from_version_4, from_version_5 };

/* All steps are one transaction. */
static int upgrade(sqlite3 *db, int version)
{
	int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (; code == SQLITE_OK && version < SQLITE_SCHEMA_VERSION; version++)
		code = sqlite3_exec(db, upgrades[version - 1], NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		log_info("the database was made by an earlier joblight and is brought up to date");
	return code;
}

/* An import that was not ended before the process did is removed like a deleted job. */
static int drop_imports(sqlite3 *db)
{
	return sqlite3_exec(db,
	                    "INSERT OR IGNORE INTO deleted_jobs SELECT key FROM imports;"
	                    "DELETE FROM imports WHERE key > 0",
	                    NULL, NULL, NULL);
}

int sqlite_settle_schema(sqlite3 *db, int version)
{
	int code = SQLITE_OK;

	if (!version)
		code = create_schema(db);
	else if (version < SQLITE_SCHEMA_VERSION)
		code = upgrade(db, version);
	return code == SQLITE_OK ? drop_imports(db) : code;
}
