/*
 * Records what the process asks of the files below the folder JOBLIGHT_TEST_DISK, in the order in
 * which it asks, in the file JOBLIGHT_TEST_DISK_RECORD.  tests/support/disk.py makes of any
 * beginning of the record the files that a power cut at this moment leaves.
 *
 * A record is a struct record and the bytes that it announces.  A write or a change of the folder
 * is recorded before it is done, the beginning of a sync before it and its end after it, so that
 * only what was recorded before the beginning counts as synced by the end.
 *
 * The index of the write-ahead log (-shm) is mapped, and rebuilt after a crash: it is no part of
 * it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum record_kind { OPENED = 1, WRITTEN, TRUNCATED, SYNC_BEGINS, SYNCED, UNLINKED, LINKED };

struct record {
	uint32_t kind;
	uint32_t file; /* which opening of a file; 0: none */
	uint64_t at;   /* offset, size, or the flags of an opening */
	uint64_t length;
};

#define FILES 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t opening[FILES]; /* by descriptor; 0: not below the folder */
static uint32_t openings;
static const char *folder;
static int out = -1;

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("JOBLIGHT_TEST_DISK_RECORD");

	folder = getenv("JOBLIGHT_TEST_DISK");
	if (folder && path)
		out = (int)syscall(SYS_openat, AT_FDCWD, path,
		                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_recorded(const char *path)
{
	size_t length = out < 0 ? 0 : strlen(folder), all = strlen(path);

	return length && strncmp(path, folder, length) == 0 &&
	       (path[length] == '/' || !path[length]) &&
	       !(all > 4 && strcmp(path + all - 4, "-shm") == 0);
}

/* Under the lock.  A record that cannot be written ends the process: a test must see it. */
static void record(enum record_kind kind, uint32_t file, uint64_t at, const void *bytes,
                   size_t length)
{
	struct record r = { kind, file, at, length };
	struct iovec parts[] = { { &r, sizeof r }, { (void *)bytes, length } };

	if (syscall(SYS_writev, out, parts, 2) != (long)(sizeof r + length))
		abort();
}

static uint32_t opening_of(int fd)
{
	return fd >= 0 && fd < FILES ? opening[fd] : 0;
}

static int open_recorded(const char *path, int flags, mode_t mode)
{
	int fd;

	if (!is_recorded(path))
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	pthread_mutex_lock(&lock);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0 && fd < FILES) {
		opening[fd] = ++openings;
		record(OPENED, openings, (uint64_t)flags, path, strlen(path));
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list rest;

	va_start(rest, flags);
	if (flags & O_CREAT)
		mode = va_arg(rest, mode_t);
	va_end(rest);
	return open_recorded(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list rest;

	va_start(rest, flags);
	if (flags & O_CREAT)
		mode = va_arg(rest, mode_t);
	va_end(rest);
	return open_recorded(path, flags, mode);
}

int close(int fd)
{
	if (opening_of(fd)) {
		pthread_mutex_lock(&lock);
		opening[fd] = 0;
		pthread_mutex_unlock(&lock);
	}
	return (int)syscall(SYS_close, fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at)
{
	uint32_t file = opening_of(fd);
	ssize_t done;

	if (!file)
		return syscall(SYS_pwrite64, fd, bytes, length, at);
	pthread_mutex_lock(&lock);
	record(WRITTEN, file, (uint64_t)at, bytes, length);
	done = syscall(SYS_pwrite64, fd, bytes, length, at);
	pthread_mutex_unlock(&lock);
	return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
	return pwrite64(fd, bytes, length, at);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
	off_t at;

	if (!opening_of(fd))
		return syscall(SYS_write, fd, bytes, length);
	at = lseek(fd, 0, SEEK_CUR);
	if (pwrite64(fd, bytes, length, at) != (ssize_t)length)
		abort();
	lseek(fd, at + (off_t)length, SEEK_SET);
	return (ssize_t)length;
}

int ftruncate64(int fd, off64_t size)
{
	uint32_t file = opening_of(fd);
	int result;

	if (!file)
		return (int)syscall(SYS_ftruncate, fd, size);
	pthread_mutex_lock(&lock);
	record(TRUNCATED, file, (uint64_t)size, NULL, 0);
	result = (int)syscall(SYS_ftruncate, fd, size);
	pthread_mutex_unlock(&lock);
	return result;
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

static int synced(int fd, long number)
{
	uint32_t file = opening_of(fd);
	int result;

	if (!file)
		return (int)syscall(number, fd);
	pthread_mutex_lock(&lock);
	record(SYNC_BEGINS, file, 0, NULL, 0);
	pthread_mutex_unlock(&lock);
	result = (int)syscall(number, fd);
	if (result == 0) {
		pthread_mutex_lock(&lock);
		record(SYNCED, file, 0, NULL, 0);
		pthread_mutex_unlock(&lock);
	}
	return result;
}

int fsync(int fd)
{
	return synced(fd, SYS_fsync);
}

int fdatasync(int fd)
{
	return synced(fd, SYS_fdatasync);
}

int unlink(const char *path)
{
	int result;

	if (!is_recorded(path))
		return (int)syscall(SYS_unlink, path);
	pthread_mutex_lock(&lock);
	result = (int)syscall(SYS_unlink, path);
	if (result == 0)
		record(UNLINKED, 0, 0, path, strlen(path));
	pthread_mutex_unlock(&lock);
	return result;
}

int link(const char *from, const char *to)
{
	char both[8192];
	size_t length = strlen(from) + 1 + strlen(to);
	int result;

	if (!is_recorded(from) || !is_recorded(to))
		return (int)syscall(SYS_link, from, to);
	if (length > sizeof both)
		abort();
	memcpy(both, from, strlen(from) + 1);
	memcpy(both + strlen(from) + 1, to, strlen(to));
	pthread_mutex_lock(&lock);
	result = (int)syscall(SYS_link, from, to);
	if (result == 0)
		record(LINKED, 0, 0, both, length);
	pthread_mutex_unlock(&lock);
	return result;
}

/* Neither SQLite nor joblight renames: who begins to must record it here. */
int rename(const char *from, const char *to)
{
	if (is_recorded(from) || is_recorded(to))
		abort();
	return (int)syscall(SYS_rename, from, to);
}
