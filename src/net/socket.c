#include "socket.h"

#include <linux/tcp.h> /* the C library's has no tcpi_bytes_acked */
#include <netinet/in.h>
#include <sys/socket.h>

#define SEND_BUFFER                                                                                \
	(32 * 1024) /* a stalled reader holds this much of the kernel (which doubles it), not      \
	               megabytes */
#define WIDE_BUFFER (1024 * 1024)
#define DEAD_PEER_MS 30000 /* a peer that acknowledges nothing for this long is gone */

void socket_tune(int fd)
{
	int one = 1, buffer = SEND_BUFFER, dead = DEAD_PEER_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof(dead));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
}

void socket_widen(int fd, bool wide)
{
	int buffer = wide ? WIDE_BUFFER : SEND_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
}

bool socket_takes(int fd, uint64_t *taken)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
	    (!info.tcpi_unacked && !info.tcpi_notsent_bytes))
		return false;
	bool more = info.tcpi_bytes_acked != *taken;
	*taken = info.tcpi_bytes_acked;
	return more;
}
