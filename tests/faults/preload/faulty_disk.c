/*
 * A disk that fails from the Nth call on, until the test ends it.  The file JOBLIGHT_TEST_FAULTS
 * holds a struct faults, which the test writes and reads while the process runs
 * (tests/support/preload.py).  Files whose names end in `suffix` are concerned.
 *
 * The first failing write stores half of its bytes, as a disk does that is full now.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum of { NOTHING, WRITES, SYNCS };

struct faults {
	int32_t of;
	int32_t error; /* 0: the process is killed instead */
	int64_t left;  /* calls until the first that fails */
	int64_t hits;
	char suffix[16];
};

static volatile struct faults *faults;

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("JOBLIGHT_TEST_FAULTS");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		faults = at;
	syscall(SYS_close, fd);
}

static int is_concerned(int fd)
{
	char link[32], name[4096], suffix[sizeof faults->suffix];
	ssize_t length;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	length = readlink(link, name, sizeof name - 1);
	if (length <= 0)
		return 0;
	memcpy(suffix, (const void *)faults->suffix, sizeof suffix);
	return (size_t)length >= strlen(suffix) &&
	       memcmp(name + length - strlen(suffix), suffix, strlen(suffix)) == 0;
}

enum verdict { WORKS, FAILS_FIRST, FAILS };

static enum verdict verdict(enum of of, int fd)
{
	if (!faults || faults->of != of || !is_concerned(fd) ||
	    __atomic_fetch_sub(&faults->left, 1, __ATOMIC_SEQ_CST) > 0)
		return WORKS;
	if (!faults->error)
		kill(getpid(), SIGKILL);
	errno = faults->error;
	return __atomic_fetch_add(&faults->hits, 1, __ATOMIC_SEQ_CST) == 0 ? FAILS_FIRST : FAILS;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at)
{
	enum verdict v = verdict(WRITES, fd);

	if (v == FAILS || (v == FAILS_FIRST && length < 2))
		return -1;
	return syscall(SYS_pwrite64, fd, bytes, v == FAILS_FIRST ? length / 2 : length, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
	return pwrite64(fd, bytes, length, at);
}

int fsync(int fd)
{
	return verdict(SYNCS, fd) == WORKS ? (int)syscall(SYS_fsync, fd) : -1;
}

int fdatasync(int fd)
{
	return verdict(SYNCS, fd) == WORKS ? (int)syscall(SYS_fdatasync, fd) : -1;
}
