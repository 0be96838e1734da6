#include "socket.h"

#include <linux/sockios.h>
#include <linux/tcp.h> /* the header of the C library lacks tcpi_bytes_acked */
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define SEND_BUFFER                                                                                \
	(32 *                                                                                      \
	 1024) /* limits the kernel memory of a stalled reader; the kernel doubles the number */
#define WIDE_BUFFER (1024 * 1024)
/*
 * So many bytes that are not on their way yet make poll wait, and a write stops there: a client
 * that takes nothing holds this, not the whole buffer.
 */
#define UNSENT_BYTES (16 * 1024)
#define DEAD_PEER_MS 30000 /* a peer that acknowledges nothing for this long is gone */

static void limit_unsent(int fd, int bytes)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

void socket_tune(int fd)
{
	int one = 1, buffer = SEND_BUFFER, dead = DEAD_PEER_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof(dead));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	limit_unsent(fd, UNSENT_BYTES);
}

void socket_widen(int fd, bool wide)
{
	int buffer = wide ? WIDE_BUFFER : SEND_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	limit_unsent(fd, wide ? WIDE_BUFFER : UNSENT_BYTES);
}

static bool read_info(int fd, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len);
}

static uint64_t queued_bytes(int fd)
{
	int queued = 0;

	return ioctl(fd, SIOCOUTQ, &queued) || queued < 0 ? 0 : (uint64_t)queued;
}

/* Of a Unix socket only the bytes are known that the peer has not read yet. */
static bool local_takes(int fd, uint64_t *taken)
{
	uint64_t queued = queued_bytes(fd), before = *taken;

	*taken = queued;
	return queued && queued != before;
}

bool socket_takes(int fd, uint64_t *taken)
{
	struct tcp_info info = { 0 };

	if (!read_info(fd, &info))
		return local_takes(fd, taken);
	if (!info.tcpi_unacked && !info.tcpi_notsent_bytes)
		return false;
	bool more = info.tcpi_bytes_acked != *taken;
	*taken = info.tcpi_bytes_acked;
	return more;
}

uint64_t socket_acknowledged(int fd)
{
	struct tcp_info info = { 0 };

	return read_info(fd, &info) ? info.tcpi_bytes_acked : 0;
}

uint64_t socket_written(int fd)
{
	int queued = 0;

	/* This comes first: bytes acknowledged between the two calls count twice rather than never.
	 */
	if (ioctl(fd, SIOCOUTQ, &queued))
		return 0;
	return socket_acknowledged(fd) + (uint64_t)queued;
}

unsigned socket_peer_port(int fd)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &len))
		return 0;
	if (peer.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&peer)->sin_port);
	return peer.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&peer)->sin6_port)
	                                  : 0;
}
