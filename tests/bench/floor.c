/* The floor: a server that only delivers, to measure what this costs.
 *
 * It keeps N sockets and, at each publish, calls send() on each with prepared bytes. No database,
 * no parsing beyond where a request ends, no rights. Two ways:
 *
 *   floor     one send per event and subscriber
 *   floor-co  everything that came in one turn of the loop in one send per subscriber
 *
 * It is nearly all kernel: only by sending several events at once does a server come out ahead.
 *
 * usage: floor floor|floor-co [PORT]      prints "floor listening on http://127.0.0.1:PORT"
 *
 * It speaks just enough HTTP and WebSocket for the load generator, which stamps its notes (stamp.h)
 * and has one WebSocket key. A job's number is what follows the '-' of its id. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stamp.h"

#define LOG_SIZE (8u << 20)      /* bytes a reader may be behind before it is given up */
#define REQUEST_SIZE (64u << 10) /* a batch of 256 updates and its head */
#define CHANNELS 1024
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum framing { SSE, WS, FRAMINGS };

/* What was published, as it goes over the wire. Mapped twice in a row, so that any stretch of it is
 * contiguous. */
struct wire_log {
	char *bytes;
	uint64_t end;
};

struct conn {
	int fd;
	bool watches;
	bool behind; /* its socket was full: EPOLLOUT carries on from the cursor */
	uint8_t framing;
	uint16_t channel;
	uint64_t cursor;
	char *request;
	uint32_t have;
};

struct channel {
	struct wire_log log[FRAMINGS];
	struct conn **conns[FRAMINGS];
	uint32_t count[FRAMINGS], room[FRAMINGS];
	uint64_t seq;
	bool dirty;
};

static struct channel channels[CHANNELS];
static uint16_t dirty[CHANNELS];
static unsigned dirty_count;
static int epoll;
static bool coalesce;

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void log_open(struct wire_log *log)
{
	int fd = memfd_create("floor", MFD_CLOEXEC);
	char *both = mmap(NULL, 2 * (size_t)LOG_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	                  0);
	if (fd < 0 || ftruncate(fd, LOG_SIZE) || both == MAP_FAILED)
		give_up("log");
	for (size_t half = 0; half < 2; half++)
		if (mmap(both + half * LOG_SIZE, LOG_SIZE, PROT_READ | PROT_WRITE,
		         MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			give_up("log");
	close(fd);
	log->bytes = both;
}

static char *log_at(const struct wire_log *log, uint64_t position)
{
	return log->bytes + position % LOG_SIZE;
}

static void watch(struct conn *conn, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = conn };
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, conn->fd, &event))
		give_up("epoll_ctl");
}

static void channel_leave(struct conn *conn)
{
	struct channel *channel = &channels[conn->channel];
	struct conn **list = channel->conns[conn->framing];
	for (uint32_t i = 0; i < channel->count[conn->framing]; i++) {
		if (list[i] == conn) {
			list[i] = list[--channel->count[conn->framing]];
			return;
		}
	}
}

static void channel_join(struct conn *conn)
{
	struct channel *channel = &channels[conn->channel];
	unsigned framing = conn->framing;
	if (channel->count[framing] == channel->room[framing]) {
		channel->room[framing] = channel->room[framing] ? channel->room[framing] * 2 : 64;
		channel->conns[framing] = realloc(channel->conns[framing],
		                                  channel->room[framing] * sizeof(struct conn *));
		if (!channel->conns[framing])
			give_up("memory");
	}
	if (!channel->log[framing].bytes)
		log_open(&channel->log[framing]);
	channel->conns[framing][channel->count[framing]++] = conn;
	conn->cursor = channel->log[framing].end;
	conn->watches = true;
}

/* Only ever the connection whose event is being handled, and a batch names each once: nobody else
 * holds it. */
static void conn_close(struct conn *conn)
{
	if (conn->watches)
		channel_leave(conn);
	close(conn->fd);
	free(conn->request);
	free(conn);
}

/* Everything it has not got, in one send. What the socket does not take waits for EPOLLOUT. */
static void conn_flush(struct conn *conn)
{
	const struct wire_log *log = &channels[conn->channel].log[conn->framing];
	size_t pending = (size_t)(log->end - conn->cursor);
	if (pending > LOG_SIZE) {
		fprintf(stderr, "floor: a reader is too far behind\n");
		shutdown(conn->fd, SHUT_RDWR);
		return;
	}
	ssize_t n = send(conn->fd, log_at(log, conn->cursor), pending, MSG_NOSIGNAL);
	conn->cursor += n > 0 ? (uint64_t)n : 0;
	bool behind = n < 0 ? errno == EAGAIN : (size_t)n < pending;
	if (behind != conn->behind) {
		conn->behind = behind;
		watch(conn, behind ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

static void channel_flush(struct channel *channel)
{
	for (unsigned framing = 0; framing < FRAMINGS; framing++)
		for (uint32_t i = 0; i < channel->count[framing]; i++)
			if (!channel->conns[framing][i]->behind)
				conn_flush(channel->conns[framing][i]);
}

static void log_append(struct wire_log *log, const char *head, size_t head_len, const char *json,
                       size_t len, const char *tail)
{
	if (!log->bytes)
		return;
	char *at = log_at(log, log->end);
	memcpy(at, head, head_len);
	memcpy(at + head_len, json, len);
	memcpy(at + head_len + len, tail, strlen(tail));
	log->end += head_len + len + strlen(tail);
}

static void publish(uint16_t number, const char *stamp)
{
	struct channel *channel = &channels[number];
	char json[512], id[64];
	channel->seq++;
	int len = snprintf(
	    json, sizeof(json),
	    "{\"type\":\"task_update\",\"jobId\":\"bench-%u\",\"seq\":%llu,"
	    "\"taskId\":\"t0\",\"status\":\"in_progress\",\"title\":\"Render pages\","
	    "\"note\":\"%.*s\",\"timestamp\":\"2026-02-05T19:00:00.000Z\"}",
	    number, (unsigned long long)channel->seq, STAMP_LEN, stamp);
	int id_len = snprintf(id, sizeof(id),
	                      "id: k3f9q2x7.%llu\ndata: ", (unsigned long long)channel->seq);
	char frame[4] = { (char)0x81, 126, (char)(len >> 8), (char)len };
	log_append(&channel->log[SSE], id, (size_t)id_len, json, (size_t)len, "\n\n");
	log_append(&channel->log[WS], frame, sizeof(frame), json, (size_t)len, "");
	if (!coalesce) {
		channel_flush(channel);
	} else if (!channel->dirty) {
		channel->dirty = true;
		dirty[dirty_count++] = number;
	}
}

static void turn_end(void)
{
	for (unsigned i = 0; i < dirty_count; i++) {
		channel_flush(&channels[dirty[i]]);
		channels[dirty[i]].dirty = false;
	}
	dirty_count = 0;
}

static void answer(struct conn *conn, const char *text, int len)
{
	if (send(conn->fd, text, (size_t)len, MSG_NOSIGNAL) != len)
		fprintf(stderr, "floor: an answer was not taken\n");
}

static void accept_publish(struct conn *conn, const char *body, size_t len)
{
	const char *end = body + len;
	for (const char *p = body; (p = memmem(p, (size_t)(end - p), STAMP_MARK, STAMP_MARK_LEN));
	     p += STAMP_LEN)
		publish(conn->channel, p);
	char json[64], text[256];
	int json_len = snprintf(json, sizeof(json), "{\"ok\":true,\"seq\":%llu}",
	                        (unsigned long long)channels[conn->channel].seq);
	int text_len = snprintf(
	    text, sizeof(text),
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
	    json_len, json);
	answer(conn, text, text_len);
}

#define SSE_HEAD                                                                                   \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"        \
	"\r\nretry: 3000\n"
#define WS_HEAD                                                                                    \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"                               \
	"Connection: Upgrade\r\nSec-WebSocket-Accept: " WS_ACCEPT "\r\n\r\n"

static void accept_subscribe(struct conn *conn)
{
	char json[120], text[512];
	int json_len = snprintf(
	    json, sizeof(json),
	    "{\"type\":\"connected\",\"jobId\":\"bench-%u\",\"cursor\":\"k3f9q2x7.%llu\"}",
	    conn->channel, (unsigned long long)channels[conn->channel].seq);
	int len;
	if (conn->framing == WS)
		len = snprintf(text, sizeof(text), WS_HEAD "\x81%c%s", json_len, json);
	else
		len = snprintf(text, sizeof(text), SSE_HEAD "data: %s\n\n", json);
	answer(conn, text, len);
	channel_join(conn);
	free(conn->request);
	conn->request = NULL;
}

/* The job's number stands after the one '-' of the request line that a digit follows. */
static uint16_t channel_of(const char *line)
{
	const char *end = strchr(line, '\r');
	for (const char *p = line; (p = memchr(p, '-', (size_t)(end - p))); p++)
		if (p[1] >= '0' && p[1] <= '9')
			return (uint16_t)(strtoul(p + 1, NULL, 10) % CHANNELS);
	return 0;
}

/* Returns the bytes of the request that was dealt with, 0 when it is not complete. */
static size_t accept_request(struct conn *conn)
{
	conn->request[conn->have] = 0;
	const char *end = strstr(conn->request, "\r\n\r\n");
	if (!end)
		return 0;
	size_t head = (size_t)(end - conn->request) + 4;
	const char *length = strstr(conn->request, "Content-Length: ");
	size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
	if (conn->have < head + body)
		return 0;
	conn->channel = channel_of(conn->request);
	conn->framing = strstr(conn->request, "/api/ws") ? WS : SSE;
	if (conn->request[0] == 'P')
		accept_publish(conn, conn->request + head, body);
	else
		accept_subscribe(conn);
	return head + body;
}

static void conn_read(struct conn *conn)
{
	char rest[512];
	if (!conn->watches && !conn->request && !(conn->request = malloc(REQUEST_SIZE + 1)))
		give_up("memory");
	char *to = conn->watches ? rest : conn->request + conn->have;
	size_t room = conn->watches ? sizeof(rest) : REQUEST_SIZE - conn->have;
	ssize_t n = recv(conn->fd, to, room, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_close(conn);
		return;
	}
	if (conn->watches)
		return; /* a pong: nothing to do */
	conn->have += (uint32_t)n;
	size_t used = accept_request(conn);
	if (!conn->watches) {
		conn->have -= (uint32_t)used;
		memmove(conn->request, conn->request + used, conn->have);
	}
}

static void accept_all(int listener)
{
	int fd;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		int on = 1;
		struct conn *conn = calloc(1, sizeof(*conn));
		if (!conn)
			give_up("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		conn->fd = fd;
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			give_up("epoll_ctl");
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		give_up("accept");
}

static int listen_on(uint16_t port)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, len) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		give_up("listen");
	printf("floor listening on http://127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void serve(int listener)
{
	struct epoll_event event = { .events = EPOLLIN }, events[256];
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
		give_up("epoll_ctl");
	for (;;) {
		int n = epoll_wait(epoll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			struct conn *conn = events[i].data.ptr;
			if (!conn)
				accept_all(listener);
			else if (events[i].events & ~(uint32_t)EPOLLOUT)
				conn_read(conn);
			else
				conn_flush(conn);
		}
		turn_end();
	}
}

int main(int argc, char **argv)
{
	if (argc < 2 || (strcmp(argv[1], "floor") != 0 && strcmp(argv[1], "floor-co") != 0)) {
		fprintf(stderr, "usage: floor floor|floor-co [PORT]\n");
		return 2;
	}
	coalesce = !strcmp(argv[1], "floor-co");
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	serve(listen_on((uint16_t)(argc > 2 ? atoi(argv[2]) : 0)));
	return 0;
}
