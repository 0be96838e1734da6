/* TCP sockets, beside what libwebsockets does with them. */
#ifndef JOBLIGHT_NET_SOCKET_H
#define JOBLIGHT_NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

/* No delay, small send buffer, dead peers found; accepted sockets inherit it from the listening one
 * (tcp(7)). */
void socket_tune(int fd);
/* A large send buffer while a snapshot goes out, or it would wait for an acknowledgement every few
 * KiB. */
#define SOCKET_WIDE_BYTES (2 * 1024 * 1024) /* what the system takes for a widened one */
void socket_widen(int fd, bool wide);
/*
 * Whether the peer has taken some of what it still has to take since the last call.  *taken keeps
 * the count between the calls; it begins with 0.
 */
bool socket_takes(int fd, uint64_t *taken);
/* Bytes that the peer has acknowledged so far, and what that count will be when it has acknowledged
 * all that was written so far; 0 when the system does not tell. */
uint64_t socket_acknowledged(int fd);
uint64_t socket_written(int fd);

#endif
