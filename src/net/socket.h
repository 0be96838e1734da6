/* Accepted TCP sockets, beside what libwebsockets does with them. */
#ifndef JOBLIGHT_NET_SOCKET_H
#define JOBLIGHT_NET_SOCKET_H

#include <stdbool.h>

void socket_tune(int fd); /* no delay, small send buffer, dead peers found */
/* A large send buffer while a snapshot goes out, or it would wait for an acknowledgement every few KiB. */
void socket_widen(int fd, bool wide);

#endif
