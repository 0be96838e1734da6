#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "net_tls.h"
#include "options.h"

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in server_address(uint64_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/* The port is left to connect(), which then only has to be free towards this server. */
static void bind_source(int fd, uint64_t which)
{
	int on = 1;
	struct sockaddr_in source = { .sin_family = AF_INET };
	source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)which);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&source, sizeof(source)))
		give_up("bind");
}

int net_connect(const struct options *options, uint64_t port, uint64_t index, int receive_bytes)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		give_up("socket");
	bind_source(fd, index % options->sources);
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (receive_bytes)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	struct sockaddr_in address = server_address(port);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) && errno != EINPROGRESS)
		give_up("connect");
	if (options->tls)
		net_tls_begin(fd);
	return fd;
}

ssize_t net_send(int fd, const void *bytes, size_t len)
{
	return net_tls_has(fd) ? net_tls_send(fd, bytes, len) : send(fd, bytes, len, MSG_NOSIGNAL);
}

ssize_t net_recv(int fd, void *bytes, size_t room)
{
	return net_tls_has(fd) ? net_tls_recv(fd, bytes, room) : recv(fd, bytes, room, 0);
}

int net_ask(const struct options *options, const char *request, size_t len)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 10 };
	struct sockaddr_in address = server_address(options->port);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		give_up("connect");
	if (options->tls)
		net_tls_begin(fd);
	char answer[64];
	size_t have = 0;
	if (net_send(fd, request, len) == (ssize_t)len) {
		ssize_t n;
		while (have < 13 &&
		       (n = net_recv(fd, answer + have, sizeof(answer) - 1 - have)) > 0)
			have += (size_t)n;
	}
	answer[have] = 0;
	close(fd);
	return have >= 13 ? atoi(answer + 9) : 0;
}

void net_allow(uint64_t connections)
{
	struct rlimit limit;
	rlim_t wanted = connections + 64;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		give_up("RLIMIT_NOFILE");
}

uint64_t clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
