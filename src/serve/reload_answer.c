#include "reload_answer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "running.h"

#define ASK_AGAIN_MS                                                                               \
	500 /* a signal that comes while another one waits is dropped, with its number */

static socklen_t name_of(int number, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int len = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1,
	                   "joblight-reload-%08x", (unsigned)number);

	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

/* ---- the server ---- */

static void send_answer(const siginfo_t *from, char kind, const struct buf *lines)
{
	struct sockaddr_un address;
	struct buf answer = { 0 };

	if (from->si_code != SI_QUEUE || !from->si_value.sival_int)
		return;
	socklen_t len = name_of(from->si_value.sival_int, &address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	buf_char(&answer, kind);
	buf_slice(&answer, buf_as_slice(lines));
	if (answer.len > RELOAD_ANSWER_MAX)
		answer.len = RELOAD_ANSWER_MAX;
	sendto(fd, answer.ptr, answer.len, 0, (const struct sockaddr *)&address, len);
	close(fd);
	buf_finish(&answer);
}

void reload_answer_send(const siginfo_t *from, bool taken, const struct buf *lines)
{
	send_answer(from, taken ? RELOAD_TAKEN : RELOAD_REFUSED, lines);
}

void reload_pass_on(const siginfo_t *from, pid_t server)
{
	struct buf number = { 0 };

	buf_u64(&number, (uint64_t)server);
	send_answer(from, RELOAD_MOVED, &number);
	buf_finish(&number);
	if (from->si_code != SI_QUEUE || sigqueue(server, SIGHUP, from->si_value) != 0)
		kill(server, SIGHUP);
}

/* ---- the program that asks ---- */

/* Returns a socket with a name, or -1. */
static int open_socket(int *number)
{
	struct sockaddr_un address;
	int one = 1, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	do
		random_bytes((uint8_t *)number, sizeof(*number));
	while (!*number);
	socklen_t len = name_of(*number, &address);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) == 0 &&
	    bind(fd, (const struct sockaddr *)&address, len) == 0)
		return fd;
	int cause = errno;
	if (fd >= 0)
		close(fd);
	errno = cause;
	return -1;
}

static pid_t sender_of(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct ucred who = { 0 };

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
		memcpy(&who, CMSG_DATA(c), sizeof(who));
	return who.pid;
}

/* Takes an answer of this process; others may write to the socket, too.  False: there is none. */
static bool take_answer(int fd, pid_t server, struct buf *lines, char *kind)
{
	char bytes[RELOAD_ANSWER_MAX];
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec part = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &part,
		            .msg_iovlen = 1,
		            .msg_control = &control,
		            .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(fd, &m, MSG_DONTWAIT);

	if (len < 1 || sender_of(&m) != server)
		return false;
	*kind = bytes[0];
	buf_add(lines, bytes + 1, (size_t)len - 1);
	return true;
}

/* Waits until it is time to ask again.  *from: who is to answer; a server may name another. */
static bool hear(int fd, pid_t *from, struct buf *lines, char *kind)
{
	uint64_t end = clock_monotonic_ms() + ASK_AGAIN_MS, now;
	struct pollfd ready = { fd, POLLIN, 0 };

	while ((now = clock_monotonic_ms()) < end) {
		if (poll(&ready, 1, (int)(end - now)) <= 0 || !take_answer(fd, *from, lines, kind))
			continue;
		if (*kind != RELOAD_MOVED)
			return true;
		*from = (pid_t)strtol(buf_string(lines), NULL, 10);
		lines->len = 0;
	}
	return false;
}

static enum reload_result ask(int fd, pid_t server, int number, unsigned wait_ms, struct buf *lines)
{
	uint64_t end = clock_monotonic_ms() + wait_ms;
	pid_t from = server;
	char kind;

	while (clock_monotonic_ms() < end) {
		if (from != server && !running_has_name(from))
			return RELOAD_GONE;
		server = from;
		if (sigqueue(server, SIGHUP, (union sigval){ .sival_int = number }) != 0)
			return errno == ESRCH ? RELOAD_GONE : RELOAD_FAILED;
		if (hear(fd, &from, lines, &kind))
			return kind == RELOAD_TAKEN ? RELOAD_DONE : RELOAD_NOT_DONE;
	}
	return RELOAD_SILENT;
}

enum reload_result reload_ask(pid_t server, unsigned wait_ms, struct buf *lines)
{
	int number = 0, fd = open_socket(&number);

	if (fd < 0)
		return RELOAD_FAILED;
	enum reload_result r = ask(fd, server, number, wait_ms, lines);
	int cause = errno;
	close(fd);
	errno = cause;
	return r;
}
