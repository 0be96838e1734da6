/* Listening on a TCP port. */
#ifndef JOBLIGHT_NET_BIND_TCP_H
#define JOBLIGHT_NET_BIND_TCP_H

#include "joblight/net/listen.h"

/*
 * Whether other loops listen on the same port.  If so, each has a socket of its own, and the kernel
 * distributes the connections.
 */
enum sharing { SHARE_NOT, SHARE_FIRST, SHARE_NEXT };

unsigned bind_tcp_port(int fd); /* the port of a bound socket; 0: the system does not tell */

/* Returns a bound, listening socket, and sets l->port to its port. -1: `error` says why. */
int bind_tcp(struct listen *l, enum sharing sharing, char *error, size_t error_len);

/* See listen_check(). */
bool bind_tcp_check(const struct listen *l, char *error, size_t error_len);

#endif
