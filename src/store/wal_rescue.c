#include "wal_rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "joblight/base/xalloc.h"

#define PIECE (16 * 1024)

static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool copy(sqlite3_file *log, int fd)
{
	char piece[PIECE];
	sqlite3_int64 size = 0;

	errno = EIO;
	if (log->pMethods->xFileSize(log, &size) != SQLITE_OK)
		return false;
	for (sqlite3_int64 at = 0; at < size; at += PIECE) {
		int len = size - at < PIECE ? (int)(size - at) : PIECE;
		if (log->pMethods->xRead(log, piece, len, at) != SQLITE_OK)
			return false;
		if (!write_all(fd, piece, (size_t)len))
			return false;
	}
	return fsync(fd) == 0;
}

/* The new name is durable when its directory is. */
static bool sync_directory(const char *path)
{
	char *name = xstrdup(path);
	int fd = open(dirname(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	free(name);
	return synced;
}

/* link() never replaces a file that another program put there. */
static bool copy_to(sqlite3_file *log, const char *name, const char *path)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);

	if (fd < 0)
		return false;
	bool made = copy(log, fd) && link(name, path) == 0 && sync_directory(path);
	int cause = errno;
	close(fd);
	unlink(name);
	errno = cause;
	return made;
}

bool wal_rescue(sqlite3 *db, const char *path)
{
	sqlite3_file *log = NULL;
	size_t size = strlen(path) + sizeof(".rescue");
	char *name = xmalloc(size);

	errno = ENOENT;
	sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	snprintf(name, size, "%s.rescue", path);
	bool made = log && log->pMethods && copy_to(log, name, path);
	free(name);
	return made;
}
