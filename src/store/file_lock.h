/*
 * One server per database file, whatever name it is opened by.  There are two flock()s: one on
 * "<real path>-lock", which holds even when the file is replaced under a running server, and one on
 * the file itself, which belongs to the inode and so also refuses a hard link, whose WAL would be a
 * different one and damage the database.
 *
 * POSIX drops all fcntl() locks of a process on a file when the process closes any descriptor of
 * it, and SQLite uses such locks.  Therefore the descriptor stays open until SQLite has closed the
 * file, and a second attempt in this process is refused before it opens anything.
 */
#ifndef JOBLIGHT_STORE_FILE_LOCK_H
#define JOBLIGHT_STORE_FILE_LOCK_H

#include <stdbool.h>

#include "file_place.h"
#include "joblight/base/list.h"

struct file_lock {
	struct file_place place; /* the database, by its real path */
	int file, lock_file;     /* descriptors of the database and of "<path>-lock" */
	struct list held;        /* in the list of locks that this process holds */
};

/*
 * Creates the file if missing (mode 0640).  False with a message when it cannot be used; then no
 * lock is held.  Any thread.
 */
bool file_lock_take(struct file_lock *lock, const char *location, char *error, size_t error_len);
/* The process that holds the lock; 0: none does, or it cannot be seen. */
long file_lock_holder(const char *location);
/*
 * Gives up the lock while readers of this process still use the database; the descriptors stay
 * open.  file_lock_take_back() takes it again, and is false with a message when another has it.
 */
void file_lock_lend(const struct file_lock *lock);
bool file_lock_take_back(const struct file_lock *lock, char *error, size_t error_len);
void file_lock_release(struct file_lock *lock); /* after the last SQLite connection is closed */

#endif
