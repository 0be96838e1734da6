/*
 * The default store: one SQLite file in WAL mode.
 *
 * One session writes, and only it checkpoints, outside transactions: before 3.51 SQLite could lose
 * pages when one connection checkpointed while another restarted the WAL.  (wal_copy.h has the one
 * exception, in which no connection can restart it.)  Readers are opened read-only, and each has a
 * snapshot from begin() to commit() or rollback().  Readers and the writer never wait for each
 * other.
 */
#include "sqlite.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "database.h"
#include "file_lock.h"
#include "joblight/base/log.h"
#include "joblight/base/xalloc.h"
#include "schema.h"

#define READER_WAIT_MS 100

/*
 * No memory map: an I/O error in it would be a SIGBUS instead of a 503.  The kernel caches the file
 * anyway; the page cache of SQLite only has to hold what one large transaction changes (writer) or
 * one walk reads (reader).
 */
#define COMMON_PRAGMAS "PRAGMA mmap_size=0; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;"
#define WRITER_PRAGMAS                                                                             \
	"PRAGMA wal_autocheckpoint=0; PRAGMA secure_delete=FAST; PRAGMA cache_size=-4096;"         \
	"PRAGMA journal_size_limit=67108864;"
#define READER_PRAGMAS "PRAGMA query_only=ON; PRAGMA cache_size=-2048;"

struct sqlite_database {
	struct database base;
	struct file_lock lock;
};

/* ---- the log ---- */

/*
 * SQLite reports every failed statement here, and the caller of the statement logs it, so only
 * notices and warnings of SQLite are logged above debug level.
 */
static void on_log(void *unused, int code, const char *message)
{
	(void)unused;
	if ((code & 0xff) == SQLITE_NOTICE)
		log_info("sqlite", "notice", message);
	else if ((code & 0xff) == SQLITE_WARNING)
		log_warn("sqlite", "warning", message);
	else
		log_debug("sqlite", "error", message);
}

static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_LOG, on_log, NULL);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS,
	               0); /* it needs a mutex that all threads would share */
}

/* ---- transactions ---- */

static enum store_result run(struct sqlite_session *s, const struct sql *which)
{
	return sqlite_run(s, sqlite_statement(s, which));
}

SQL(sql_rollback, "ROLLBACK");

static void session_rollback(struct store *base)
{
	struct sqlite_session *s = (struct sqlite_session *)base;

	if (!sqlite3_get_autocommit(s->db)) /* SQLite may have rolled back by itself */
		run(s, &sql_rollback);
	s->open = false;
	s->failed = STORE_OK;
}

SQL(sql_begin_writing, "BEGIN IMMEDIATE");
SQL(sql_begin_reading, "BEGIN");
SQL(sql_snapshot, "SELECT 1 FROM jobs LIMIT 1");

static enum store_result session_begin(struct store *base)
{
	struct sqlite_session *s = (struct sqlite_session *)base;
	enum store_result r;

	assert(!s->open);
	r = sqlite_check_places_sometimes(s);
	if (r != STORE_OK)
		return r;
	errno = 0;
	r = run(s, s->writer ? &sql_begin_writing : &sql_begin_reading);
	if (r == STORE_OK && !s->writer)
		r = run(s, &sql_snapshot); /* BEGIN alone would take the snapshot with the
		                                   first read */
	if (r != STORE_OK)
		session_rollback(base);
	else
		s->open = true;
	return r;
}

SQL(sql_commit, "COMMIT");

static enum store_result session_commit(struct store *base)
{
	struct sqlite_session *s = (struct sqlite_session *)base;
	enum store_result r;

	assert(s->open);
	if (s->failed)
		return s->failed;
	r = run(s, &sql_commit);
	if (r == STORE_OK)
		r = sqlite_check_places_sometimes(
		    s); /* a commit into a removed file is not durable */
	if (r == STORE_OK)
		s->open = false;
	return r;
}

/* ---- sessions ---- */

static void session_free(struct sqlite_session *s)
{
	sqlite_statements_finish(s);
	sqlite3_close(s->db);
	sqlite_forget_places(s);
	free(s);
}

static void session_close(struct store *base)
{
	struct sqlite_session *s = (struct sqlite_session *)base;

	session_rollback(base);
	if (s->writer)
		sqlite_last_checkpoint(s);
	session_free(s);
}

static const struct store_ops sqlite_ops = {
	.name = "sqlite",
	.exclusive = true,
	.close = session_close,
	.begin = session_begin,
	.commit = session_commit,
	.rollback = session_rollback,
	.checkpoint = sqlite_checkpoint,
#define STORE_OP(op, parameters, arguments) .op = sqlite_##op,
#include "joblight/core/store_ops.def"
#undef STORE_OP
};

static void harden(sqlite3 *db, bool writer)
{
	sqlite3_extended_result_codes(db, 1);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	if (!writer)
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_busy_timeout(db, writer ? SQLITE_WRITER_WAIT_MS : READER_WAIT_MS);
}

/* Describes what SQLite found wrong with the file, and what to do; returns false. */
static bool explain(struct sqlite_session *s, const char *path, int code, char *error,
                    size_t error_len)
{
	const char *words = sqlite_words_for(s->db, code);

	if ((code & 0xff) == SQLITE_NOTADB)
		snprintf(error, error_len,
		         "cannot open %s: it is not a SQLite database, or its header is damaged; "
		         "name another file or restore a backup",
		         path);
	else if ((code & 0xff) == SQLITE_CORRUPT)
		snprintf(error, error_len,
		         "cannot open %s: the database is damaged (%s); restore a backup", path,
		         words);
	else if ((code & 0xff) == SQLITE_READONLY)
		snprintf(error, error_len, "cannot open %s: it is read-only (%s)", path, words);
	else if (sqlite_result_of(code) == STORE_FULL)
		snprintf(error, error_len, "cannot open %s: no space left on its disk (%s)", path,
		         words);
	else if ((code & 0xff) == SQLITE_CANTOPEN)
		snprintf(error, error_len,
		         "cannot open %s or make its write-ahead log beside it (%s); "
		         "the directory must be writable and on a local file system",
		         path, words);
	else
		snprintf(error, error_len, "cannot open %s: %s", path, words);
	return false;
}

/* Opens the connection; the file is not read yet. */
static int session_connect(struct sqlite_session *s, const char *path, bool writer)
{
	int flags = SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
	int code = sqlite3_open_v2(path, &s->db, flags, NULL);

	s->base.ops = &sqlite_ops;
	s->writer = writer;
	if (code != SQLITE_OK)
		return code;
	harden(s->db, writer);
	return sqlite3_exec(s->db,
	                    writer ? COMMON_PRAGMAS WRITER_PRAGMAS : COMMON_PRAGMAS READER_PRAGMAS,
	                    NULL, NULL, NULL);
}

static int number_of(sqlite3 *db, const char *sql, int *value)
{
	sqlite3_stmt *st = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*value = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return code == SQLITE_ROW ? SQLITE_OK : code;
}

struct identity {
	int application, version, objects;
};

static int identify(sqlite3 *db, struct identity *found)
{
	int code = number_of(db, "PRAGMA application_id", &found->application);

	if (code == SQLITE_OK)
		code = number_of(db, "PRAGMA user_version", &found->version);
	if (code == SQLITE_OK)
		code = number_of(db, "SELECT count(*) FROM sqlite_schema", &found->objects);
	return code;
}

/* Whether the file is a joblight database or empty; it has not been changed yet. */
static bool acceptable(const struct identity *found, const char *path, char *error,
                       size_t error_len)
{
	if (!found->application && !found->version && !found->objects)
		return true;
	if (found->application != SQLITE_APPLICATION_ID)
		snprintf(error, error_len,
		         "cannot open %s: it is the database of another program; name another file",
		         path);
	else if (found->version > SQLITE_SCHEMA_VERSION)
		snprintf(
		    error, error_len,
		    "cannot open %s: its schema version is %d and this joblight knows up to %d; "
		    "it was used by a newer joblight, start that one",
		    path, found->version, SQLITE_SCHEMA_VERSION);
	else if (found->version < 1)
		snprintf(error, error_len, "cannot open %s: its schema version %d is unknown", path,
		         found->version);
	else
		return true;
	return false;
}

static int enter_wal(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int code = sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &st, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		code = sqlite3_stricmp((const char *)sqlite3_column_text(st, 0), "wal")
		           ? SQLITE_CANTOPEN
		           : SQLITE_OK;
	sqlite3_finalize(st);
	return code;
}

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

static const char *const upgrades[] = { from_version_1, from_version_2, from_version_3,
	                                from_version_4 };

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

static bool writer_open(struct sqlite_session *s, const char *path, enum durability durability,
                        char *error, size_t error_len)
{
	struct identity found = { 0 };
	int code;

	errno = 0;
	code = session_connect(s, path, true);

	if (code == SQLITE_OK)
		code = sqlite3_exec(s->db,
		                    durability == DURABILITY_FULL ? "PRAGMA synchronous=FULL"
		                                                  : "PRAGMA synchronous=NORMAL",
		                    NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = identify(s->db, &found);
	if (code == SQLITE_OK && !acceptable(&found, path, error, error_len))
		return false;
	if (code == SQLITE_OK)
		code = enter_wal(s->db);
	sqlite_watch_wal(s);
	if (code == SQLITE_OK && !found.objects)
		code = create_schema(s->db);
	else if (code == SQLITE_OK && found.version < SQLITE_SCHEMA_VERSION)
		code = upgrade(s->db, found.version);
	if (code == SQLITE_OK)
		code = number_of(s->db, "PRAGMA page_size", &s->page_size);
	if (code == SQLITE_OK)
		code = sqlite_statements_prepare(s);
	if (code == SQLITE_OK) /* the -wal and the -shm file exist by now */
		code = sqlite_note_places(s, path);
	return code == SQLITE_OK || explain(s, path, code, error, error_len);
}

/* ---- the backend ---- */

static bool takes(const char *location)
{
	(void)location;
	return true;
}

static struct database *sqlite_open(const char *location, enum durability durability, char *error,
                                    size_t error_len)
{
	static pthread_once_t configured = PTHREAD_ONCE_INIT;
	struct sqlite_database *db = xcalloc(1, sizeof *db);
	struct sqlite_session *writer;

	pthread_once(&configured, configure);
	if (!file_lock_take(&db->lock, location, error, error_len)) {
		free(db);
		return NULL;
	}
	writer = xcalloc(1, sizeof *writer);
	writer->place = &db->lock.place;
	if (!writer_open(writer, db->lock.place.path, durability, error, error_len)) {
		session_free(writer);
		file_lock_release(&db->lock);
		free(db);
		return NULL;
	}
	db->base = (struct database){ &sqlite_backend, &writer->base };
	return &db->base;
}

static struct store *sqlite_reader(struct database *base, char *error, size_t error_len)
{
	struct sqlite_database *db = (struct sqlite_database *)base;
	struct sqlite_session *s = xcalloc(1, sizeof *s);
	int code = session_connect(s, db->lock.place.path, false);

	if (code == SQLITE_OK)
		code = sqlite_statements_prepare(s);
	if (code == SQLITE_OK)
		return &s->base;
	explain(s, db->lock.place.path, code, error, error_len);
	session_free(s);
	return NULL;
}

static void sqlite_close(struct database *base)
{
	struct sqlite_database *db = (struct sqlite_database *)base;

	base->writer->ops->close(base->writer);
	file_lock_release(&db->lock);
	free(db);
}

const struct backend sqlite_backend = { "sqlite", takes, sqlite_open, sqlite_reader, sqlite_close };
