/* Options and states of TCP sockets that libwebsockets does not handle. */
#ifndef JOBLIGHT_NET_SOCKET_H
#define JOBLIGHT_NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#define SOCKET_BACKLOG 4096 /* of listening sockets; the system lowers it to its limit */

/*
 * Sets no delay, a small send buffer and the detection of dead peers.  Accepted sockets inherit
 * these from the listening one (tcp(7)).
 */
void socket_tune(int fd);
/*
 * Enlarges the send buffer while a snapshot is written, or shrinks it again.  With the small one
 * the writer would wait for an acknowledgement every few KiB.
 */
#define SOCKET_WIDE_BYTES (2 * 1024 * 1024) /* memory of an enlarged socket */
void socket_widen(int fd, bool wide);
/*
 * Whether the peer has acknowledged some output since the last call.  *taken keeps the count
 * between the calls; start with 0.
 */
bool socket_takes(int fd, uint64_t *taken);
/*
 * socket_acknowledged() is the number of bytes that the peer has acknowledged so far,
 * socket_written() what it will be when all output so far is acknowledged. 0 if the system does not
 * tell.
 */
uint64_t socket_acknowledged(int fd);
uint64_t socket_written(int fd);
unsigned socket_peer_port(int fd); /* 0: it has none */

#endif
