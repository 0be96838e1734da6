#include "socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define SEND_BUFFER (32 * 1024) /* a stalled reader holds this much of the kernel (which doubles it), not megabytes */
#define WIDE_BUFFER (1024 * 1024)
#define DEAD_PEER_MS 30000      /* unacknowledged for so long: the peer is gone */

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
