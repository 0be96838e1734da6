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

static int duplicate(int of, char *error, size_t error_len)
{
	int fd = fcntl(of, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		snprintf(error, error_len, "no descriptor for a listener: %s", strerror(errno));
	return fd;
}

static int inherited_port(struct bound *b, unsigned index, char *error, size_t error_len)
{
	const struct inherited *from = b->inherited;

	b->listen.port = bind_tcp_port(from->fds[0]);
	if (index < from->count)
		return from->fds[index];
	return duplicate(from->fds[index % from->count], error, error_len);
}

int bound_socket(struct bound *b, unsigned index, unsigned count, char *error, size_t error_len)
{
	if (b->listen.kind == LISTEN_TCP)
		return b->inherited ? inherited_port(b, index, error, error_len)
		                    : bind_port(b, index, count, error, error_len);
	if (index == 0 && b->inherited)
		b->shared = bind_unix_inherited(b);
	else if (index == 0)
		b->shared = b->listen.kind == LISTEN_UNIX ? bind_unix(b, error, error_len)
		                                          : b->listen.fd;
	if (b->shared < 0)
		return -1;
	if (index == 0 && b->listen.kind == LISTEN_PASSED)
		socket_tune(b->shared);
	return duplicate(b->shared, error, error_len);
}

void bound_finish(struct bound *b)
{
	if (b->shared < 0)
		return;
	if (b->listen.kind == LISTEN_UNIX && !b->left)
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

bool listen_check(const struct listen *l, char *error, size_t error_len)
{
	switch (l->kind) {
	case LISTEN_TCP:
		return bind_tcp_check(l, error, error_len);
	case LISTEN_UNIX:
		return bind_unix_check(l, error, error_len);
	default:
		return true;
	}
}
