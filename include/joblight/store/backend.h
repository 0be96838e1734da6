/*
 * Opening a database.  The location selects the backend: ":memory:" is the memory store, anything
 * else a SQLite file, which is created if missing (its directory must exist).
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

struct store *database_writer(struct database *db); /* owned by the database */
struct store *database_reader(struct database *db); /* a new session, or NULL after logging the
                                                       error; end it with ops->close() */
void database_close(struct database *db); /* after all reading sessions are closed; NULL is fine */

#endif
