#include "bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bind_tcp.h"
#include "bind_unix.h"
#include "socket.h"

static int bind_port(struct bound *b, unsigned index, unsigned count, char *error, size_t error_len)
{
	enum sharing sharing = count == 1 ? SHARE_NOT : index == 0 ? SHARE_FIRST : SHARE_NEXT;

	return bind_tcp(&b->listen, sharing, error, error_len);
}

int bound_socket(struct bound *b, unsigned index, unsigned count, char *error, size_t error_len)
{
	if (b->listen.kind == LISTEN_TCP)
		return bind_port(b, index, count, error, error_len);
	if (index == 0)
		b->shared = b->listen.kind == LISTEN_UNIX ? bind_unix(b, error, error_len)
		                                          : b->listen.fd;
	if (b->shared < 0)
		return -1;
	if (index == 0 && b->listen.kind == LISTEN_PASSED)
		socket_tune(b->shared);
	int fd = fcntl(b->shared, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		snprintf(error, error_len, "no descriptor for a listener: %s", strerror(errno));
	return fd;
}

void bound_finish(struct bound *b)
{
	if (b->shared < 0)
		return;
	if (b->listen.kind == LISTEN_UNIX)
		bind_unix_remove(b);
	close(b->shared);
	b->shared = -1;
}

void listen_name(const struct listen *l, char name[LISTEN_NAME_MAX])
{
	const char *scheme = l->tls ? "https" : "http";
	bool v6 = strchr(l->host, ':') != NULL;

	if (listen_is_unix(l))
		snprintf(name, LISTEN_NAME_MAX, "unix:%s", l->path);
	else
		snprintf(name, LISTEN_NAME_MAX, "%s://%s%s%s:%u", scheme, v6 ? "[" : "", l->host,
		         v6 ? "]" : "", l->port);
}
