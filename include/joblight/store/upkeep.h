/*
 * The upkeep of a database file, by a process that may not be its server: reading, checking and
 * copying it while a server uses it, and rewriting it while none does.
 *
 * The functions that can fail write a message that says what to change into `error`.
 */
#ifndef JOBLIGHT_STORE_UPKEEP_H
#define JOBLIGHT_STORE_UPKEEP_H

#include "joblight/store/backend.h"

/*
 * A reading session of a database that others may be writing: it changes nothing and takes no lock
 * that they notice.  End it with ops->close().  NULL: failed.
 */
struct store *database_peek(const char *location, char *error, size_t error_len);

/* A fault of the file; false stops the check. */
typedef bool database_fault(void *context, const char *words);

/*
 * Reads every page of the file and looks for rows that belong to nothing, within the transaction of
 * a session of database_peek().  STORE_OK: it was checked to the end; the faults were reported.
 */
enum store_result database_check_file(struct store *s, database_fault *report, void *context);

/*
 * Copies what is committed now into a new file, in steps, while others write.  `check` is called
 * with a session of the complete copy.  The copy gets its name only if that returns true, so a
 * failure, also of the machine, leaves no file of that name.  A file that is there is not replaced.
 */
typedef bool database_check(void *context, struct store *copy);
bool database_backup(const char *location, const char *file, database_check *check, void *context,
                     char *error, size_t error_len);

/*
 * Rewrites the database so that it has no free space, and from now on can become smaller in steps.
 * No other session is open but its writer's.
 */
bool database_vacuum(struct database *db, char *error, size_t error_len);

#endif
