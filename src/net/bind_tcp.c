#include "bind_tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket.h"

static int open_socket(const struct addrinfo *a, int v6_only, bool share)
{
	int one = 1, defer_s = 1;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (share)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	/*
	 * Accept a connection only when its first bytes have arrived, so that its request can be
	 * parsed at once.
	 */
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof(defer_s));
	socket_tune(fd);
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOCKET_BACKLOG) == 0)
		return fd;
	int cause = errno;
	close(fd);
	errno = cause;
	return -1;
}

/* Returns 0 if the system does not tell the port; errno says why. */
unsigned bind_tcp_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = { 0 };
	socklen_t len = sizeof(address);

	if (getsockname(fd, &address.any, &len))
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port
	                                               : address.v4.sin_port);
}

/*
 * Sockets that share a port can share it with another server, too.  Binding without SO_REUSEPORT
 * detects one.
 */
static bool port_is_free(const struct addrinfo *a, int v6_only)
{
	int one = 1;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
	bool is_free = bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1) == 0;
	int cause = errno;
	close(fd);
	errno = cause;
	return is_free;
}

/* Returns the listening descriptor and sets *port. -1: errno says why. */
static int open_listening(const struct addrinfo *a, int v6_only, enum sharing sharing,
                          unsigned *port)
{
	int fd = sharing == SHARE_FIRST && !port_is_free(a, v6_only)
	             ? -1
	             : open_socket(a, v6_only, sharing != SHARE_NOT);

	if (fd < 0)
		return -1;
	unsigned bound = bind_tcp_port(fd);
	if (bound) {
		*port = bound;
		return fd;
	}
	int cause = errno;
	close(fd);
	errno = cause;
	return -1;
}

static struct addrinfo *find_addresses(const struct listen *l, char *error, size_t error_len)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE },
	                *found = NULL;
	char service[8];

	snprintf(service, sizeof(service), "%u", l->port);
	int failure = getaddrinfo(l->host, service, &hints, &found);
	if (!failure)
		return found;
	snprintf(error, error_len, "cannot listen on %s: %s", l->host, gai_strerror(failure));
	return NULL;
}

int bind_tcp(struct listen *l, enum sharing sharing, char *error, size_t error_len)
{
	struct addrinfo *found = find_addresses(l, error, error_len);

	if (!found)
		return -1;
	int fd = open_listening(found, l->ipv6_only, sharing, &l->port);
	if (fd < 0)
		snprintf(error, error_len, "cannot listen on %s:%u: %s", l->host, l->port,
		         strerror(errno));
	freeaddrinfo(found);
	return fd;
}

/* Never calls listen(): clients would be put into the queue of a socket that is closed again. */
bool bind_tcp_check(const struct listen *l, char *error, size_t error_len)
{
	struct addrinfo *found = find_addresses(l, error, error_len);
	int one = 1, v6_only = l->ipv6_only;

	if (!found)
		return false;
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (found->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
	bool ok = bind(fd, found->ai_addr, found->ai_addrlen) == 0 || errno == EADDRINUSE;
	if (!ok)
		snprintf(error, error_len, "cannot listen on %s:%u: %s", l->host, l->port,
		         strerror(errno));
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return ok;
}
