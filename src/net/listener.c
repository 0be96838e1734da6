#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "joblight/base/log.h"
#include "socket.h"

#define BACKLOG 4096
#define ACCEPT_BATCH                                                                               \
	64            /* accepted at a time, before other connections of the loop get their turn */
#define PAUSE_MS 50   /* how long accepting stops after it fails */
#define TELL_MS 10000 /* how often a failure to accept is logged, at most */

static int open_socket(const struct addrinfo *a, bool share)
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
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int cause = errno;
	close(fd);
	errno = cause;
	return -1;
}

/* Returns 0 if the system does not tell the port; errno says why. */
static unsigned bound_port(int fd)
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
static bool port_is_free(const struct addrinfo *a)
{
	int one = 1;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	bool is_free = bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1) == 0;
	int cause = errno;
	close(fd);
	errno = cause;
	return is_free;
}

/* Returns the listening descriptor and sets *port. -1: errno says why. */
static int open_listening(const struct addrinfo *a, enum sharing sharing, unsigned *port)
{
	int fd = sharing == SHARE_FIRST && !port_is_free(a) ? -1
	                                                    : open_socket(a, sharing != SHARE_NOT);

	if (fd < 0)
		return -1;
	unsigned bound = bound_port(fd);
	if (bound) {
		*port = bound;
		return fd;
	}
	int cause = errno;
	close(fd);
	errno = cause;
	return -1;
}

int listener_bind(const char *host, unsigned *port, enum sharing sharing, char *error,
                  size_t error_len)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE },
	                *found = NULL;
	char service[8];

	snprintf(service, sizeof(service), "%u", *port);
	int failure = getaddrinfo(host, service, &hints, &found);
	if (failure) {
		snprintf(error, error_len, "cannot listen on %s: %s", host, gai_strerror(failure));
		return -1;
	}
	int fd = open_listening(found, sharing, port);
	if (fd < 0)
		snprintf(error, error_len, "cannot listen on %s:%u: %s", host, *port,
		         strerror(errno));
	freeaddrinfo(found);
	return fd;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void open_spare(struct listener *l)
{
	if (l->spare < 0)
		l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * When descriptors have run out, closes the spare one, accepts a connection with it and closes
 * that, so that the queue moves on.  False: another thread took the descriptor first.
 */
static bool drop_one(struct listener *l)
{
	open_spare(l);
	if (l->spare < 0)
		return false;
	close(l->spare);
	l->spare = -1;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	open_spare(l);
	return fd >= 0;
}

static void on_pause_over(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	open_spare(l);
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

/* Without a pause, the waiting connections would wake the loop again at once, without end. */
static void pause_accepting(struct listener *l)
{
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->pause, on_pause_over, PAUSE_MS, 0);
}

static void tell(struct listener *l, int cause)
{
	uint64_t now = uv_now(l->poll.loop);

	if (now < l->tell_due)
		return;
	l->tell_due = now + TELL_MS;
	log_warn("connections cannot be accepted", "cause", strerror(cause));
}

/* Errors of accept(2) that concern one connection only; the next one may be good. */
static bool is_of_the_connection(int cause)
{
	static const int causes[] = { ECONNABORTED, EINTR,        EPROTO,     ENOPROTOOPT, ENETDOWN,
		                      EHOSTDOWN,    EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ENONET };

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (cause == causes[i])
			return true;
	return false;
}

/* Whether to continue accepting now. */
static bool accept_failed(struct listener *l, int cause)
{
	if (cause == EAGAIN)
		return false;
	if (is_of_the_connection(cause))
		return true;
	tell(l, cause);
	if ((cause == EMFILE || cause == ENFILE) && drop_one(l))
		return true;
	pause_accepting(l);
	return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)events;
	if (status < 0)
		return;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			l->accepted(l->context, fd);
		else if (!accept_failed(l, errno))
			return;
	}
}

void listener_start(struct listener *l, uv_loop_t *loop, int fd, void (*accepted)(void *, int),
                    void *context)
{
	*l = (struct listener){
		.fd = fd, .spare = -1, .accepted = accepted, .context = context, .open = true
	};
	open_spare(l);
	uv_poll_init(loop, &l->poll, fd);
	uv_timer_init(loop, &l->pause);
	l->poll.data = l->pause.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

void listener_close(struct listener *l)
{
	if (!l->open)
		return;
	l->open = false;
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, NULL);
	uv_close((uv_handle_t *)&l->pause, NULL);
	close(l->fd);
	if (l->spare >= 0)
		close(l->spare);
}
