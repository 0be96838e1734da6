/* Sockets to the server under test, on loopback only. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct options;

/* Starts a non-blocking connect from the index'th source address, with a receive buffer of
 * `receive_bytes` in the kernel (0: of its default size). Returns the socket; exits when there is
 * none, because a measurement with fewer connections than asked for is worth nothing. */
int net_connect(const struct options *options, uint64_t port, uint64_t index, int receive_bytes);

/* Sends and receives as send(2) and recv(2) do, through TLS with --tls. The handshake is made by
 * the first net_send(), and is waited for. */
ssize_t net_send(int fd, const void *bytes, size_t len);
ssize_t net_recv(int fd, void *bytes, size_t room);

/* One blocking exchange on a connection of its own: sends, returns the status of the answer (0:
 * none within 10 s). */
int net_ask(const struct options *options, const char *request, size_t len);

/* Raises the limit of open files to what `connections` need; exits when it cannot. */
void net_allow(uint64_t connections);

uint64_t clock_ns(void);

#endif
