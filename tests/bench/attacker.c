/*
 * A program that attacks a server on 127.0.0.1 while something else is measured: connections that
 * are kept and send a request that is refused as soon as the one before is answered, and new
 * connections at a fixed rate that do so once.  A connection that the server closes is opened again
 * at once.  Ends with SIGTERM, and prints one line of JSON.
 *
 *      attacker PORT ATTACKERS NEWCOMERS-PER-SECOND
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define NEWCOMERS_MAX 8192

/* A page of another origin may not write: 403, before anything is read or stored. */
static const char request[] = "DELETE /api/jobs/none HTTP/1.1\r\nHost: localhost\r\n"
                              "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n\r\n";

struct connection {
	int fd; /* -1: none */
	bool kept;
};

static struct sockaddr_in server;
static int poll_fd;
static struct connection *kept, newcomers[NEWCOMERS_MAX];
static uint64_t refused, opened, closed, failed;
static volatile sig_atomic_t over;

static void stop(int number)
{
	(void)number;
	over = 1;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void open_one(struct connection *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&server, sizeof(server)) ||
	    send(c->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0) {
		failed++;
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &e);
	opened++;
}

static void close_one(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
	closed++;
	if (c->kept && !over)
		open_one(c);
}

/* An answer is small and arrives in one piece. */
static void answered(struct connection *c)
{
	char answer[2048];
	ssize_t n = recv(c->fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	answer[n > 0 ? n : 0] = '\0';
	if (n > 12 && answer[9] == '4')
		refused++;
	if (n <= 0 || !c->kept || strstr(answer, "\r\nConnection: close") ||
	    send(c->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		close_one(c);
}

/* Opens what is due; a slot is free when its newcomer was answered. */
static void open_due(uint64_t due)
{
	static uint64_t made;

	for (; made < due; made++) {
		struct connection *c = &newcomers[made % NEWCOMERS_MAX];
		if (c->fd < 0)
			open_one(c);
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	uint64_t began = now_us(), rate = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	if (argc != 4)
		return 2;
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	signal(SIGTERM, stop);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	kept = calloc(count + 1, sizeof(*kept));
	if (poll_fd < 0 || !kept)
		return 1;
	for (size_t i = 0; i < NEWCOMERS_MAX; i++)
		newcomers[i].fd = -1;
	for (size_t i = 0; i < count; i++) {
		kept[i].kept = true;
		open_one(&kept[i]);
	}
	while (!over) {
		int n = epoll_wait(poll_fd, events, EVENTS, 1);
		for (int i = 0; i < n; i++)
			answered(events[i].data.ptr);
		open_due((now_us() - began) * rate / 1000000);
	}
	printf(
	    "{\"refused\":%llu,\"opened\":%llu,\"closed\":%llu,\"failed\":%llu,\"seconds\":%.3f}\n",
	    (unsigned long long)refused, (unsigned long long)opened, (unsigned long long)closed,
	    (unsigned long long)failed, (double)(now_us() - began) / 1e6);
	free(kept);
	return 0;
}
