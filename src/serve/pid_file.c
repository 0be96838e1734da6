#include "pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "joblight/base/slice.h"

static bool fail(const char *path, const char *cause)
{
	fprintf(stderr, "joblight: --pid-file %s: %s\n", path, cause);
	return false;
}

/* A reader finds the old number or the new one: what is left of a longer one is cut off last. */
bool pid_file_write(const char *path)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);

	if (fd < 0)
		return fail(path, strerror(errno));
	bool ok = write(fd, text, (size_t)len) == len || fail(path, strerror(errno));
	if (ok && ftruncate(fd, len) != 0)
		ok = errno == EINVAL || fail(path, strerror(errno)); /* a pipe has no length */
	close(fd);
	return ok;
}

/* 0: there is no process id in it; errno says why, or is 0. */
static pid_t read_pid(const char *path)
{
	char text[24];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t number = 0;

	if (fd < 0)
		return 0;
	ssize_t len = read(fd, text, sizeof(text));
	close(fd);
	if (len < 0)
		return 0;
	errno = 0;
	const char *end = memchr(text, '\n', (size_t)len);
	slice_number((struct slice){ text, end ? (size_t)(end - text) : (size_t)len }, 10, &number);
	return number <= INT_MAX ? (pid_t)number : 0;
}

void pid_file_remove(const char *path)
{
	if (read_pid(path) == getpid())
		unlink(path);
}

pid_t pid_file_read(const char *path)
{
	pid_t pid = read_pid(path);

	if (!pid)
		fail(path, errno ? strerror(errno) : "it does not begin with a process id");
	return pid;
}
