/* What the verbs on a database share. */
#ifndef JOBLIGHT_SERVE_DB_OPEN_H
#define JOBLIGHT_SERVE_DB_OPEN_H

#include "config.h"
#include "joblight/store/upkeep.h"

/* The same as below, of a location that is not that of --db. */
struct store *db_peek_at(const char *location);
struct database *db_open_at(const char *location);
/* That of a copy, which is made if it is missing, and may not be finished. */
struct database *db_open_copy(const char *location);

/* A reading session with an open transaction; NULL after a message. */
struct store *db_peek(const struct config *c);
void db_peek_end(struct store *s);

/* The database, which exists and which no server uses; NULL after a message. */
struct database *db_open(const struct config *c);

int db_fail(const char *what, const char *why); /* prints a message; returns 1 */
/* After the last line of output: 1 if it could not be written. */
int db_flush(int status);

/* The same if it is a file; else NULL after printing what to do instead. */
struct database *db_open_file(const struct config *c, const char *instead);
bool db_is_file(const struct config *c, const char *instead);
/* The database of --db as people may see it; valid until the next call.  The main thread. */
const char *db_shown(const struct config *c);

#endif
