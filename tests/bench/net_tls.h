/* TLS of the generator's sockets, kept by their descriptors. */
#ifndef BENCH_NET_TLS_H
#define BENCH_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void net_tls_begin(int fd); /* this new socket speaks TLS */
bool net_tls_has(int fd);
ssize_t net_tls_send(int fd, const void *bytes, size_t len);
ssize_t net_tls_recv(int fd, void *bytes, size_t room); /* as many records as have arrived */

#endif
