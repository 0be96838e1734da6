/*
 * One server per database file, whichever name it is opened by.  Two flock()s: one on "<real path>-lock",
 * which holds even when the file is replaced under a running server, and one on the file itself, which
 * belongs to the inode and so also refuses a hard link (whose WAL would be another one: certain damage).
 *
 * POSIX drops all of a process's fcntl() locks on a file when it closes any descriptor of it, and those are
 * SQLite's.  So the descriptor stays open until SQLite is done with the file, and a second attempt in this
 * process is refused before it opens anything.
 */
#ifndef JOBLIGHT_STORE_FILE_LOCK_H
#define JOBLIGHT_STORE_FILE_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "joblight/base/list.h"

struct file_lock {
	char *path;       /* real path of the database */
	int file, beside; /* the database, "<path>-lock" */
	dev_t device;
	ino_t inode;
	struct list held; /* of this process */
};

/*
 * Makes the file when it is missing (mode 0640).  False with a message when it cannot be used; then nothing
 * is held.  Any thread.
 */
bool file_lock_take(struct file_lock *lock, const char *location, char *error, size_t error_len);
/* Whether the database's path still leads to the locked file: it may have been removed or replaced. */
bool file_lock_in_place(const struct file_lock *lock);
void file_lock_release(struct file_lock *lock); /* after the last SQLite connection is closed */

#endif
