/*
 * One server per database file, whichever name it is opened by.  Two flock()s: one on "<real
 * path>-lock", which holds even when the file is replaced under a running server, and one on the
 * file itself, which belongs to the inode and so also refuses a hard link (whose WAL would be
 * another one: certain damage).
 *
 * POSIX drops all of a process's fcntl() locks on a file when it closes any descriptor of it, and
 * those are SQLite's.  So the descriptor stays open until SQLite is done with the file, and a
 * second attempt in this process is refused before it opens anything.
 */
#ifndef JOBLIGHT_STORE_FILE_LOCK_H
#define JOBLIGHT_STORE_FILE_LOCK_H

#include <stdbool.h>

#include "file_place.h"
#include "joblight/base/list.h"

struct file_lock {
	struct file_place place; /* of the database, by its real path */
	int file, lock_file;     /* the database, "<path>-lock" */
	struct list held;        /* of this process */
};

/*
 * Makes the file when it is missing (mode 0640).  False with a message when it cannot be used; then
 * nothing is held.  Any thread.
 */
bool file_lock_take(struct file_lock *lock, const char *location, char *error, size_t error_len);
void file_lock_release(struct file_lock *lock); /* after the last SQLite connection is closed */

#endif
