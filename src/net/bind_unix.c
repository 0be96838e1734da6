#include "bind_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "socket.h"

static struct sockaddr_un address_of(const struct bound *b)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, b->listen.path, sizeof(address.sun_path));
	return address;
}

/* Whether the file is a socket on which nobody listens. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat status;

	if (lstat(address->sun_path, &status) || !S_ISSOCK(status.st_mode))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
	               errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static bool bind_path(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *any = (const struct sockaddr *)address;

	if (bind(fd, any, sizeof(*address)) == 0)
		return true;
	if (errno != EADDRINUSE)
		return false;
	bool replaced = is_stale(address) && unlink(address->sun_path) == 0;
	if (replaced)
		return bind(fd, any, sizeof(*address)) == 0;
	errno = EADDRINUSE;
	return false;
}

/* chmod() takes no descriptor of a file that is not open for reading, but its name in /proc. */
static bool set_mode(int file, mode_t mode)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	return chmod(name, mode) == 0;
}

/*
 * The owner and the mode are those of this very file, whatever somebody else who may write in the
 * folder puts in its place.
 */
static bool take_file(int file, struct bound *b)
{
	const struct listen *l = &b->listen;
	struct stat status;

	if (file < 0 || fstat(file, &status))
		return false;
	if (!S_ISSOCK(status.st_mode)) {
		errno = EADDRINUSE;
		return false;
	}
	b->device = status.st_dev;
	b->inode = status.st_ino;
	if ((l->owner != (uid_t)-1 || l->group != (gid_t)-1) &&
	    fchownat(file, "", l->owner, l->group, AT_EMPTY_PATH))
		return false;
	return set_mode(file, l->mode);
}

/* Clients can connect only after listen(), so nobody connects before the mode is set. */
static bool publish(int fd, struct bound *b)
{
	int file = open(b->listen.path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool ok = take_file(file, b) && listen(fd, SOCKET_BACKLOG) == 0;
	int cause = errno;

	if (file >= 0)
		close(file);
	errno = cause;
	return ok;
}

int bind_unix(struct bound *b, char *error, size_t error_len)
{
	struct sockaddr_un address = address_of(b);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		socket_tune(fd);
	bool bound = fd >= 0 && bind_path(fd, &address);
	if (bound && publish(fd, b))
		return fd;
	snprintf(error, error_len, "cannot listen on unix:%s: %s", b->listen.path,
	         errno == EADDRINUSE ? "another process listens there, or it is not a socket"
	                             : strerror(errno));
	if (bound)
		bind_unix_remove(b);
	if (fd >= 0)
		close(fd);
	return -1;
}

int bind_unix_inherited(struct bound *b)
{
	struct stat status;

	if (lstat(b->listen.path, &status) == 0 && S_ISSOCK(status.st_mode)) {
		b->device = status.st_dev;
		b->inode = status.st_ino;
	}
	return b->inherited->fds[0];
}

void bind_unix_remove(const struct bound *b)
{
	struct stat status;

	if (lstat(b->listen.path, &status) == 0 && status.st_dev == b->device &&
	    status.st_ino == b->inode)
		unlink(b->listen.path);
}

bool bind_unix_check(const struct listen *l, char *error, size_t error_len)
{
	char copy[LISTEN_PATH_MAX];
	struct stat status;

	memcpy(copy, l->path, sizeof(copy));
	if (lstat(l->path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
		snprintf(error, error_len, "cannot listen on unix:%s: it is not a socket", l->path);
		return false;
	}
	if (access(dirname(copy), W_OK | X_OK) == 0)
		return true;
	snprintf(error, error_len, "cannot listen on unix:%s: %s", l->path, strerror(errno));
	return false;
}
