#include "bind_unix.h"

#include <errno.h>
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

/* Clients can connect only after listen(), so nobody connects before the mode is set. */
static bool publish(int fd, struct bound *b)
{
	const struct listen *l = &b->listen;
	struct stat status;

	if (lstat(l->path, &status))
		return false;
	b->device = status.st_dev;
	b->inode = status.st_ino;
	if ((l->owner != (uid_t)-1 || l->group != (gid_t)-1) && chown(l->path, l->owner, l->group))
		return false;
	return chmod(l->path, l->mode) == 0 && listen(fd, SOCKET_BACKLOG) == 0;
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

void bind_unix_remove(const struct bound *b)
{
	struct stat status;

	if (lstat(b->listen.path, &status) == 0 && status.st_dev == b->device &&
	    status.st_ino == b->inode)
		unlink(b->listen.path);
}
