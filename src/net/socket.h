/* TCP sockets, beside what libwebsockets does with them. */
#ifndef JOBLIGHT_NET_SOCKET_H
#define JOBLIGHT_NET_SOCKET_H

#include <stdbool.h>

/* No delay, small send buffer, dead peers found; accepted sockets inherit it from the listening one (tcp(7)). */
void socket_tune(int fd);
/* A large send buffer while a snapshot goes out, or it would wait for an acknowledgement every few KiB. */
void socket_widen(int fd, bool wide);

#endif
