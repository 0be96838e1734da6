/*
 * Opening a database.  The location decides the backend: ":memory:" is the memory store, anything
 * else a SQLite file, made when missing (its directory must exist).
 */
#ifndef JOBLIGHT_STORE_BACKEND_H
#define JOBLIGHT_STORE_BACKEND_H

#include "joblight/core/store.h"

enum durability {
	DURABILITY_FULL,    /* a commit is on the disk: survives a power cut */
	DURABILITY_PROCESS, /* a commit is with the kernel: survives a crash of the process only */
};

struct database;

/*
 * Opens the database and its only writing session.  NULL with a message that says what to change
 * when it cannot: directory missing, read-only, not a database, a newer schema, another server on
 * the same file. Any file that it makes is readable by its owner and group only.
 */
struct database *database_open(const char *location, enum durability durability, char *error,
                               size_t error_len);

struct store *database_writer(struct database *db); /* owned by the database */
struct store *database_reader(
    struct database *db); /* a new session; NULL: see `error` of the log.  ops->close() it */
void database_close(struct database *db); /* after every reader is closed; NULL is fine */

#endif
