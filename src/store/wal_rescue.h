/* Gives the content of a WAL whose file was removed a file again, while SQLite has it open. */
#ifndef JOBLIGHT_STORE_WAL_RESCUE_H
#define JOBLIGHT_STORE_WAL_RESCUE_H

#include <stdbool.h>

#include <sqlite3.h>

/*
 * Copies the open WAL of the connection to a new file at `path`, durably, and reads only.  The next
 * program that opens the database recovers from that file, so a crash at any moment loses nothing.
 * False with errno: there is a file at the path already (EEXIST), or the copy failed.  Takes as
 * long as the copy: the caller is the writer's thread while no transaction is open.
 */
bool wal_rescue(sqlite3 *db, const char *path);

#endif
