/*
 * Opening a database.  The location selects the backend: ":memory:" is the memory store,
 * "postgres://…", or libpq's "host=…", a database of PostgreSQL, and anything else a SQLite file,
 * which is created if missing (its directory must exist).
 */
#ifndef JOBLIGHT_STORE_BACKEND_H
#define JOBLIGHT_STORE_BACKEND_H

#include "joblight/core/store.h"

enum durability {
	DURABILITY_FULL,    /* a commit is on the disk and survives a power failure */
	DURABILITY_PROCESS, /* a commit is in the kernel and survives only a crash of the process */
};

struct database;

/*
 * Opens the database and its only writing session.  NULL with a message that says what to change
 * when it cannot: directory missing, read-only, not a database, a newer schema, another server uses
 * the file. Files that it creates are readable by owner and group only.
 */
struct database *database_open(const char *location, enum durability durability, char *error,
                               size_t error_len);

/*
 * The same for who makes a copy: also opens one that was not finished, which database_open() and
 * database_peek() refuse.
 */
struct database *database_open_copy(const char *location, enum durability durability, char *error,
                                    size_t error_len);

/*
 * Marks it as a copy that is not finished, or as one that is.  The mark is on the disk afterwards.
 * False with a message: it failed.
 */
bool database_mark(struct database *db, bool unfinished, char *error, size_t error_len);

/*
 * From now until it is closed no other process uses the database, except to read it.  False with a
 * message: one does.  A file that was opened is used by nobody else anyway.
 */
bool database_claim(struct database *db, char *error, size_t error_len);

/* Whether it is on a server, so that other nodes may use it too. */
bool database_is_remote(const char *location);
/* Whether the location itself has a password. */
bool database_has_password(const char *location);
/* What people may see of a location: no user and no password. */
#define DATABASE_SHOWN_MAX 256
void database_show(const char *location, char *out, size_t size);

struct store *database_writer(struct database *db); /* owned by the database */
struct store *database_reader(struct database *db); /* a new session, or NULL after logging the
                                                       error; end it with ops->close() */
/* The process that uses the database at this location; 0: none does, or it cannot be seen. */
long database_user(const char *location);
/*
 * Another process may write from now on: closes the writing session and gives up the lock of the
 * file.  Reading sessions go on.  Only if database_can_be_lent(): one in memory cannot.
 */
bool database_can_be_lent(const struct database *db);
void database_lend(struct database *db);
/* The opposite: opens the writing session again, as database_open() does.  False: `error` says why,
 * and it is still lent. */
bool database_take_back(struct database *db, char *error, size_t error_len);
void database_close(struct database *db); /* after all reading sessions are closed; NULL is fine */

#endif
