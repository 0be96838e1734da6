/*
 * The private header of the SQLite store.  sqlite.c opens, begins and commits; sqlite_wal.c
 * checkpoints; sqlite_error.c translates result codes; sqlite_statement.c prepares and steps the
 * statements; sqlite_rows.c (jobs), sqlite_days.c, sqlite_import.c, sqlite_server.c, sqlite_prune.c
 * and sqlite_space.c hold the operations on rows, with their statements.
 */
#ifndef JOBLIGHT_STORE_SQLITE_H
#define JOBLIGHT_STORE_SQLITE_H

#include <assert.h>
#include <sqlite3.h>

#include "file_place.h"
#include "joblight/core/store.h"
#include "wal_copy.h"

#define SQLITE_APPLICATION_ID 0x4a4c6774 /* "JLgt", at byte 68 of the file */
#define SQLITE_UNFINISHED_ID 0x4a4c6763  /* "JLgc": a copy that is not finished */
#define SQLITE_SCHEMA_VERSION 6
#define SQLITE_WRITER_WAIT_MS                                                                      \
	250                 /* how long to wait for other programs that write into the file        \
	                     */
#define SQLITE_SIDE_FILES 2 /* the files that SQLite keeps next to the database */

/*
 * A statement: SQL(name, text) stands before the function that uses it.  The linker collects all of
 * them, and a session prepares them when it opens, in the main thread.
 */
struct sql {
	const char *text;
	unsigned index; /* in the statements of every session */
};
#define SQL(name, sql_text)                                                                        \
	static struct sql name = { .text = sql_text };                                             \
	static struct sql *const name##_entry __attribute__((section("sqlite_sql"), used)) = &name

struct sqlite_session {
	struct store base;
	sqlite3 *db;
	sqlite3_stmt **statements;
	bool writer;
	const struct file_place *place; /* writer only: the database; borrowed */
	struct file_place
	    side_files[SQLITE_SIDE_FILES]; /* writer only: the -wal and the -shm file */
	bool open;                         /* between begin and commit or rollback */
	/*
	 * The first failure of this transaction.  SQLite may then have rolled back by itself, and
	 * what came after it would be committed alone; so everything until rollback returns this.
	 */
	enum store_result failed;
	/*
	 * Writer only, in pages: the size of the WAL after the last commit and at the last
	 * checkpoint, and how many of its pages are known to be in the database.
	 */
	int wal_pages, checkpointed_pages, copied_pages;
	struct wal_copy copy;
	struct rewriting *rewriting; /* writer only; NULL: not begun */
	bool leaves_wal;             /* writer only: closing it does not copy the -wal file */
	unsigned copies;             /* since the WAL was restarted */
	bool restarted;              /* since the pause of the checkpoints began */
	uint64_t truncate_pause_ms,
	    truncate_due; /* while a reader prevents restarting the WAL; else 0 */
	int page_size;
	uint64_t places_checked; /* when all files were last found in their places */
	bool lent;               /* another process writes from now on */
	bool rescued; /* the content of a WAL that was removed has a file again, or is in the
	                 database */
};

/* ---- sqlite_error.c ---- */

/*
 * Call this right after the failed call, because it also reads errno.  SQLite reports ENOSPC as
 * FULL, but a quota or a limit on file sizes only as an I/O error.  Every begin() clears errno, so
 * its value belongs to this transaction.
 */
enum store_result sqlite_result_of(int code);
const char *sqlite_words_for(sqlite3 *db, int code); /* db may be NULL */
/* Stores the message of a failed call in base.error. */
enum store_result sqlite_failed(struct sqlite_session *s, int code, const char *doing);

/* ---- sqlite_schema.c ---- */

/*
 * Creates the schema if `version` is 0, or brings it up to date.  A crash in between leaves the
 * database as it was.  Returns SQLite's code.
 */
int sqlite_settle_schema(sqlite3 *db, int version);

/* ---- sqlite_wal.c, all of the writer ---- */

void sqlite_watch_wal(struct sqlite_session *s); /* call it before the first commit */
/* Records the side files, which must exist.  Returns SQLite's code. */
int sqlite_note_places(struct sqlite_session *s, const char *path);
void sqlite_forget_places(struct sqlite_session *s);
/*
 * Call it between transactions.  BROKEN when the database or a side file is not where it was: data
 * written to a file without a name is lost with the process.  OK without checking if it was
 * checked a moment ago.  Readers always get OK.
 */
enum store_result sqlite_check_places_sometimes(struct sqlite_session *s);
enum store_result sqlite_checkpoint(struct store *s);
/* Before closing, when another process goes on with the log. */
void sqlite_leave_log(struct sqlite_session *s);
void sqlite_last_checkpoint(struct sqlite_session *s); /* call it before closing */

/* ---- sqlite_statement.c ---- */

int sqlite_statements_prepare(struct sqlite_session *s); /* SQLite's code */
void sqlite_statements_finish(struct sqlite_session *s);

/* Steps a bound statement once and resets it. */
enum store_result sqlite_run(struct sqlite_session *s, sqlite3_stmt *st);
/*
 * Resets a statement that was stepped to `code` after `rows` rows; NONE when there were no rows.
 * `intact` is false when the last row was invalid.
 */
enum store_result sqlite_walked(struct sqlite_session *s, sqlite3_stmt *st, int code, size_t rows,
                                bool intact);
/* Records a failure that SQLite did not detect, with one of SQLite's codes. */
enum store_result sqlite_spoil(struct sqlite_session *s, int code, const char *doing);

static inline sqlite3_stmt *sqlite_statement(const struct sqlite_session *s, const struct sql *sql)
{
	return s->statements[sql->index];
}

static inline struct sqlite_session *sqlite_session(struct store *s)
{
	struct sqlite_session *session = (struct sqlite_session *)s;

	assert(session->open);
	return session;
}

static inline void bind_number(sqlite3_stmt *st, int at, int64_t value)
{
	sqlite3_bind_int64(st, at, value);
}

static inline void bind_u64(sqlite3_stmt *st, int at, uint64_t value)
{
	sqlite3_bind_int64(st, at, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static inline void bind_text(sqlite3_stmt *st, int at, const char *text) /* NULL binds NULL */
{
	sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

/* ---- sqlite.c ---- */

/* A reading session of the file, without the lock of a server; NULL: *error says why. */
struct store *sqlite_peek(const char *path, char *error, size_t error_len);

/* ---- sqlite_vacuum.c ---- */

enum store_result sqlite_rewrite(struct store *s);
void sqlite_rewrite_give_up(struct sqlite_session *s); /* does nothing if it has not begun */

/* ---- sqlite_rows.c ---- */

/* Inserts the row under this key, or a new one if it is 0, and sets row->key. */
enum store_result sqlite_job_insert(struct sqlite_session *s, int64_t key, struct job_row *row);

/* ---- the operations on rows ---- */

#define STORE_OP(name, parameters, arguments)                                                      \
	enum store_result sqlite_##name(struct store *s, STORE_LIST parameters);
#include "joblight/core/store_ops.def"
#undef STORE_OP

#endif
