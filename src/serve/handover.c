#include "handover.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "passed_sockets.h"

bool handover_send(int control, enum handover kind, const void *bytes, size_t len, int fd)
{
	char first = (char)kind;
	struct iovec parts[] = { { &first, 1 }, { (void *)(uintptr_t)bytes, len } };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} extra = { 0 };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = len ? 2 : 1 };

	if (fd >= 0) {
		m.msg_control = &extra;
		m.msg_controllen = sizeof(extra.room);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(control, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static int descriptor_of(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

/* Without a free descriptor, that of a CLIENT is lost, and the client connects again. */
static enum handover receive(int control, struct handover_packet *p)
{
	char first = 0;
	struct iovec parts[] = { { &first, 1 }, { p->bytes, sizeof(p->bytes) - 1 } };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} extra;
	struct msghdr m = { .msg_iov = parts,
		            .msg_iovlen = 2,
		            .msg_control = &extra,
		            .msg_controllen = sizeof(extra.room) };
	ssize_t n = recvmsg(control, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? HANDOVER_NOTHING
		                                                    : HANDOVER_END;
	p->fd = descriptor_of(&m);
	p->len = (size_t)n - 1;
	return (enum handover)first;
}

enum handover handover_take(int control, int wait_ms, struct handover_packet *p)
{
	struct pollfd wait = { .fd = control, .events = POLLIN };

	*p = (struct handover_packet){ .fd = -1 };
	p->kind = poll(&wait, 1, wait_ms) > 0 ? receive(control, p) : HANDOVER_NOTHING;
	return p->kind;
}

void handover_name(const struct listen *l, char name[LISTEN_NAME_MAX])
{
	switch (l->kind) {
	case LISTEN_TCP:
		snprintf(name, LISTEN_NAME_MAX, "tcp:%s:%u%s", l->host, l->port,
		         l->ipv6_only ? ":v6" : "");
		return;
	case LISTEN_UNIX:
		snprintf(name, LISTEN_NAME_MAX, "unix:%s", l->path);
		return;
	case LISTEN_PASSED:
		snprintf(name, LISTEN_NAME_MAX, "passed:%d", l->fd - PASSED_FIRST);
	}
}
