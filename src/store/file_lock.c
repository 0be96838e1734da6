#include "file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "joblight/base/xalloc.h"

#define FILE_MODE 0640 /* owner and group only */

static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list held = { &held, &held };

/*
 * The process that holds the flock() on this file, or 0 when it is not visible (another PID
 * namespace).
 */
static long holder_of(const struct stat *file)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	long found = 0;

	while (locks && !found && fgets(line, sizeof line, locks)) {
		unsigned int major_number, minor_number;
		unsigned long inode;
		long pid;

		if (sscanf(line, "%*s FLOCK %*s WRITE %ld %x:%x:%lu", &pid, &major_number,
		           &minor_number, &inode) == 4 &&
		    inode == file->st_ino && makedev(major_number, minor_number) == file->st_dev)
			found = pid;
	}
	if (locks)
		fclose(locks);
	return found;
}

static bool refuse(const char *location, long pid, char *error, size_t error_len)
{
	if (pid > 0)
		snprintf(error, error_len, "another joblight server is using %s (pid %ld)",
		         location, pid);
	else
		snprintf(error, error_len, "another joblight server is using %s", location);
	return false;
}

static bool held_here(const struct stat *file)
{
	for (struct list *node = held.next; node != &held; node = node->next) {
		const struct file_lock *lock = container_of(node, struct file_lock, held);
		if (lock->place.device == file->st_dev && lock->place.inode == file->st_ino)
			return true;
	}
	return false;
}

/*
 * Checks what is there before it is opened: opening a FIFO would block, and closing a database
 * drops locks.
 */
static bool usable(const char *location, char *error, size_t error_len)
{
	struct stat file;

	if (stat(location, &file) < 0)
		return true; /* the error of open() is more precise */
	if (S_ISDIR(file.st_mode))
		snprintf(error, error_len, "cannot open %s: it is a directory; name a file in it",
		         location);
	else if (!S_ISREG(file.st_mode))
		snprintf(error, error_len, "cannot open %s: it is not a regular file", location);
	else if (held_here(&file))
		refuse(location, getpid(), error, error_len);
	else if (!(file.st_mode &
	           (S_IWUSR | S_IWGRP |
	            S_IWOTH))) /* root could write it, but it was made read-only on purpose */
		snprintf(error, error_len,
		         "cannot open %s: the file is read-only; make it writable (chmod u+w)",
		         location);
	else
		return true;
	return false;
}

static bool open_failed(const char *location, char *error, size_t error_len)
{
	int cause = errno;
	char *copy = xstrdup(location);
	const char *directory = dirname(copy);

	struct stat there;

	if (cause == ENOENT && stat(directory, &there) == 0) /* /proc, or a dangling link */
		snprintf(error, error_len,
		         "cannot open %s: no file can be made there; name one in another directory",
		         location);
	else if (cause == ENOENT || cause == ENOTDIR)
		snprintf(error, error_len,
		         "cannot open %s: the directory %s does not exist; make it first", location,
		         directory);
	else if (cause == EACCES || cause == EPERM)
		snprintf(error, error_len,
		         "cannot open %s: permission denied; the file and its directory %s must be "
		         "writable",
		         location, directory);
	else if (cause == EROFS)
		snprintf(error, error_len, "cannot open %s: it lies on a read-only file system",
		         location);
	else
		snprintf(error, error_len, "cannot open %s: %s", location, strerror(cause));
	free(copy);
	return false;
}

/*
 * Descriptors 0 to 2 may be closed; what is then written to them would be written into this file.
 */
static int above_standard(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int cause = errno;
	close(fd);
	errno = cause;
	return moved;
}

/* Opens or creates a file and locks it; -1 with a message on failure. */
static int open_locked(const char *path, int flags, const char *location, char *error,
                       size_t error_len)
{
	int fd = above_standard(open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, FILE_MODE));
	struct stat file;

	if (fd < 0) {
		open_failed(path, error, error_len);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno != EWOULDBLOCK)
		snprintf(error, error_len, "cannot lock %s: %s", path, strerror(errno));
	else
		refuse(location, fstat(fd, &file) == 0 ? holder_of(&file) : 0, error, error_len);
	close(fd);
	return -1;
}

static int open_lock_file(const char *path, const char *location, char *error, size_t error_len)
{
	char *name = path_with_suffix(path, "-lock");
	int fd = open_locked(name, O_NOFOLLOW, location, error, error_len);

	free(name);
	return fd;
}

static bool take(struct file_lock *lock, const char *location, char *error, size_t error_len)
{
	struct stat file;

	*lock = (struct file_lock){ .file = -1, .lock_file = -1 };
	if (!usable(location, error, error_len))
		return false;
	lock->file = open_locked(location, 0, location, error, error_len);
	if (lock->file < 0)
		return false;
	lock->place.path = realpath(location, NULL);
	if (!lock->place.path || fstat(lock->file, &file) < 0) {
		open_failed(location, error, error_len);
		goto failed;
	}
	lock->lock_file = open_lock_file(lock->place.path, location, error, error_len);
	if (lock->lock_file < 0)
		goto failed;
	lock->place.device = file.st_dev;
	lock->place.inode = file.st_ino;
	list_append(&held, &lock->held);
	return true;
failed:
	close(lock->file);
	file_place_forget(&lock->place);
	return false;
}

bool file_lock_take(struct file_lock *lock, const char *location, char *error, size_t error_len)
{
	bool taken;

	pthread_mutex_lock(&held_lock);
	taken = take(lock, location, error, error_len);
	pthread_mutex_unlock(&held_lock);
	return taken;
}

void file_lock_lend(const struct file_lock *lock)
{
	flock(lock->lock_file, LOCK_UN);
	flock(lock->file, LOCK_UN);
}

bool file_lock_take_back(const struct file_lock *lock, char *error, size_t error_len)
{
	struct stat file;

	if (flock(lock->file, LOCK_EX | LOCK_NB) == 0 &&
	    flock(lock->lock_file, LOCK_EX | LOCK_NB) == 0)
		return true;
	file_lock_lend(lock);
	return refuse(lock->place.path, fstat(lock->file, &file) == 0 ? holder_of(&file) : 0, error,
	              error_len);
}

void file_lock_release(struct file_lock *lock)
{
	pthread_mutex_lock(&held_lock);
	list_remove(&lock->held);
	close(lock->file);
	close(lock->lock_file);
	file_place_forget(&lock->place);
	pthread_mutex_unlock(&held_lock);
}

long file_lock_holder(const char *location)
{
	struct stat file;

	return stat(location, &file) == 0 ? holder_of(&file) : 0;
}
