#include "socket.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define SEND_BUFFER (32 * 1024) /* a stalled reader holds this much of the kernel (which doubles it), not megabytes */
#define WIDE_BUFFER (1024 * 1024)
#define DEAD_PEER_MS 30000      /* unacknowledged for so long: the peer is gone */
#define STATE_ESTABLISHED 1     /* enum in netinet/tcp.h, which excludes linux/tcp.h */

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

uint64_t socket_received(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || info.tcpi_state != STATE_ESTABLISHED)
		return 0;
	return info.tcpi_bytes_received;
}
