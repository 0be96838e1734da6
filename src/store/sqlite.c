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
#include "timed_vfs.h"

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
	bool any; /* it may be a copy that is not finished */
	struct file_lock lock;
	enum durability durability;
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
	timed_vfs_install();
}

static void configure_once(void)
{
	static pthread_once_t configured = PTHREAD_ONCE_INIT;

	pthread_once(&configured, configure);
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
	sqlite_rewrite_give_up(s);
	if (s->writer && s->lent)
		sqlite_leave_log(s);
	else if (s->writer)
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
	.rewrite = sqlite_rewrite,
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

/* Whether the file is a joblight database or empty; it has not been changed yet.  `any`: it may be
 * a copy that is not finished. */
static bool acceptable(const struct identity *found, bool any, const char *path, char *error,
                       size_t error_len)
{
	bool unfinished = found->application == SQLITE_UNFINISHED_ID;

	if (!found->application && !found->version && !found->objects)
		return true;
	if (unfinished && !any)
		snprintf(error, error_len, "cannot open %s: " DATABASE_UNFINISHED, path);
	else if (found->application != SQLITE_APPLICATION_ID && !unfinished)
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

static bool writer_open(struct sqlite_session *s, const struct sqlite_database *db, char *error,
                        size_t error_len)
{
	const char *path = db->lock.place.path;
	struct identity found = { 0 };
	int code;

	errno = 0;
	code = session_connect(s, path, true);

	if (code == SQLITE_OK)
		code = sqlite3_exec(s->db,
		                    db->durability == DURABILITY_FULL ? "PRAGMA synchronous=FULL"
		                                                      : "PRAGMA synchronous=NORMAL",
		                    NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = identify(s->db, &found);
	if (code == SQLITE_OK && !acceptable(&found, db->any, path, error, error_len))
		return false;
	if (code == SQLITE_OK && !found.objects) /* before the first page is written */
		code = sqlite3_exec(s->db, "PRAGMA auto_vacuum=INCREMENTAL", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = enter_wal(s->db);
	if (code == SQLITE_OK)
		sqlite_watch_wal(s);
	if (code == SQLITE_OK)
		code = sqlite_settle_schema(s->db, found.objects ? found.version : 0);
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

static bool start_writing(struct sqlite_database *db, char *error, size_t error_len)
{
	struct sqlite_session *writer = xcalloc(1, sizeof *writer);

	writer->place = &db->lock.place;
	if (!writer_open(writer, db, error, error_len)) {
		session_free(writer);
		return false;
	}
	db->base.writer = &writer->base;
	return true;
}

static struct database *sqlite_open(const char *location, bool any, enum durability durability,
                                    char *error, size_t error_len)
{
	struct sqlite_database *db = xcalloc(1, sizeof *db);

	configure_once();
	db->base.backend = &sqlite_backend;
	db->any = any;
	db->durability = durability;
	if (!file_lock_take(&db->lock, location, error, error_len)) {
		free(db);
		return NULL;
	}
	if (start_writing(db, error, error_len))
		return &db->base;
	file_lock_release(&db->lock);
	free(db);
	return NULL;
}

static void sqlite_lend(struct database *base)
{
	struct sqlite_database *db = (struct sqlite_database *)base;

	((struct sqlite_session *)base->writer)->lent = true;
	base->writer->ops->close(base->writer);
	base->writer = NULL;
	file_lock_lend(&db->lock);
}

static bool sqlite_take_back(struct database *base, char *error, size_t error_len)
{
	struct sqlite_database *db = (struct sqlite_database *)base;

	if (!file_lock_take_back(&db->lock, error, error_len))
		return false;
	if (start_writing(db, error, error_len))
		return true;
	file_lock_lend(&db->lock);
	return false;
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

/* Whether this joblight can read it: a session needs the tables of this version. */
static bool readable(const struct identity *found, const char *path, char *error, size_t error_len)
{
	if (!acceptable(found, false, path, error, error_len))
		return false;
	if (found->version == SQLITE_SCHEMA_VERSION)
		return true;
	if (!found->objects)
		snprintf(error, error_len, "cannot open %s: it is empty", path);
	else
		snprintf(error, error_len,
		         "cannot open %s: its schema version is %d and this joblight needs %d; "
		         "start the server once to bring it up to date",
		         path, found->version, SQLITE_SCHEMA_VERSION);
	return false;
}

struct store *sqlite_peek(const char *path, char *error, size_t error_len)
{
	struct sqlite_session *s = xcalloc(1, sizeof *s);
	struct identity found = { 0 };

	configure_once();
	errno = 0;
	int code = session_connect(s, path, false);
	if (code == SQLITE_OK)
		code = identify(s->db, &found);
	bool usable = code == SQLITE_OK && readable(&found, path, error, error_len);
	if (usable)
		code = sqlite_statements_prepare(s);
	if (usable && code == SQLITE_OK)
		return &s->base;
	if (code != SQLITE_OK)
		explain(s, path, code, error, error_len);
	session_free(s);
	return NULL;
}

static bool sqlite_mark(struct database *base, bool unfinished, char *error, size_t error_len)
{
	struct sqlite_database *db = (struct sqlite_database *)base;
	struct sqlite_session *writer = (struct sqlite_session *)base->writer;
	char pragma[48];

	errno = 0;
	snprintf(pragma, sizeof pragma, "PRAGMA application_id=%d",
	         unfinished ? SQLITE_UNFINISHED_ID : SQLITE_APPLICATION_ID);
	int code = sqlite3_exec(writer->db, pragma, NULL, NULL, NULL);
	return code == SQLITE_OK || explain(writer, db->lock.place.path, code, error, error_len);
}

static void sqlite_close(struct database *base)
{
	struct sqlite_database *db = (struct sqlite_database *)base;

	if (base->writer)
		base->writer->ops->close(base->writer);
	file_lock_release(&db->lock);
	free(db);
}

const struct backend sqlite_backend = {
	.peek = sqlite_peek,
	.name = "sqlite",
	.takes = takes,
	.open = sqlite_open,
	.mark = sqlite_mark,
	.reader = sqlite_reader,
	.lend = sqlite_lend,
	.take_back = sqlite_take_back,
	.close = sqlite_close,
};
