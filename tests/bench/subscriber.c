#include "subscriber.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "net.h"
#include "peer.h"

#define ON_THEIR_WAY 256

/* One inbox for all: a connection keeps only what a read cut off. */
static char inbox[STREAM_ROOM + 256 * 1024];

/* RFC 6455's own example: the generator has one key, so that its answer is a constant. */
#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* Where a piece of text stood in the last event is where it stands in the next one, but for a digit
 * more. */
struct place {
	const char *text;
	size_t len;
	size_t last;
};

static struct place stamp_place = { STAMP_MARK, STAMP_MARK_LEN, 0 };
static struct place seq_place = { "\"seq\":", 6, 0 };

static inline const char *find(struct place *place, const char *data, size_t len)
{
	if (place->last + place->len <= len && !memcmp(data + place->last, place->text, place->len))
		return data + place->last;
	const char *found = memmem(data, len, place->text, place->len);
	if (found)
		place->last = (size_t)(found - data);
	return found;
}

static uint64_t number_at(const char *digits, const char *end)
{
	uint64_t value = 0;
	for (; digits < end && *digits >= '0' && *digits <= '9'; digits++)
		value = value * 10 + (uint64_t)(*digits - '0');
	return value;
}

/* 0 when the event has no number. */
static inline uint64_t event_seq(const char *data, size_t len)
{
	const char *found = find(&seq_place, data, len);
	return found ? number_at(found + 6, data + len) : 0;
}

static void take_update(struct subscriber *s, const char *data, size_t len)
{
	struct load *load = s->load;
	struct stamp stamp;
	const char *mark = find(&stamp_place, data, len);
	if (!mark || (size_t)(data + len - mark) < STAMP_LEN || !stamp_read(mark, &stamp)) {
		load_error(load, "update without a stamp on connection", s->index);
		return;
	}
	uint64_t seq = load->options.peer->has_seq ? event_seq(data, len) : 0;
	if (load->options.peer->has_seq && !seq)
		load_error(load, "update without seq on connection", s->index);
	histogram_add(&load->delivery, load->read_ns > stamp.time_ns ? load->read_ns - stamp.time_ns : 0);
	check_event(load->check, s->index, s->job, seq, &stamp);
	load->seen.deliveries++;
}

static void become_ready(struct subscriber *s)
{
	if (s->ready)
		return;
	s->ready = true;
	s->load->ready++;
	if (s->stalled)
		load_rewatch(s->load, s->fd, 0, &s->source);
}

/* The cursor is `<epoch>.<seq>`; the next event is seq + 1. */
static void take_connected(struct subscriber *s, const char *data, size_t len)
{
	const char *end = data + len;
	const char *cursor = memmem(data, len, "\"cursor\":\"", 10);
	const char *dot = cursor ? memchr(cursor, '.', (size_t)(end - cursor)) : NULL;
	if (dot)
		check_start(s->load->check, s->index, number_at(dot + 1, end) + 1);
	else if (s->load->options.peer->has_seq)
		load_error(s->load, "connected without a cursor on connection", s->index);
	become_ready(s);
}

static bool is_type(const char *data, size_t len, const char *type)
{
	size_t n = strlen(type);
	return len > 9 + n && !memcmp(data, "{\"type\":\"", 9) && !memcmp(data + 9, type, n) && data[9 + n] == '"';
}

/* What is neither an update nor `connected`. A snapshot in mid-stream is a fault here: nothing
 * these runs do may push a reader out of what the server keeps. */
static void take_other(struct subscriber *s, const char *data, size_t len)
{
	if (is_type(data, len, "heartbeat"))
		s->load->heartbeats++;
	else if (is_type(data, len, "job_update"))
		check_other(s->load->check, s->index, event_seq(data, len));
	else if (is_type(data, len, "presence") || is_type(data, len, "pong"))
		return;
	else
		load_error(s->load, "unexpected event on connection", s->index);
}

static void take_data(struct subscriber *s, const char *data, size_t len)
{
	if (len <= 9 || memcmp(data, "{\"type\":\"", 9) != 0 || data[9] == 't')
		take_update(s, data, len);
	else if (is_type(data, len, "connected"))
		take_connected(s, data, len);
	else
		take_other(s, data, len);
}

/* Client frames are masked; with a mask of zero the bytes stay what they are. */
static void send_pong(struct subscriber *s, const char *data, size_t len)
{
	char frame[131] = { (char)0x8a, (char)(0x80 | len) };
	if (len > 125)
		return;
	memcpy(frame + 6, data, len);
	if (send(s->fd, frame, 6 + len, MSG_NOSIGNAL) < 0)
		load_error(s->load, "pong not sent on connection", s->index);
}

static void take_message(void *owner, enum message kind, const char *data, size_t len)
{
	struct subscriber *s = owner;
	switch (kind) {
	case MESSAGE_HEAD:
		if (s->load->options.websocket && !memmem(data, len, WS_ACCEPT, sizeof(WS_ACCEPT) - 1))
			load_error(s->load, "wrong Sec-WebSocket-Accept on connection", s->index);
		if (!s->load->options.peer->says_connected)
			become_ready(s);
		break;
	case MESSAGE_DATA:
		take_data(s, data, len);
		break;
	case MESSAGE_HEARTBEAT:
		s->load->heartbeats++;
		break;
	case MESSAGE_PING:
		send_pong(s, data, len);
		break;
	case MESSAGE_END:
		load_error(s->load, "stream ended on connection", s->index);
		break;
	}
}

static void subscriber_close(struct subscriber *s, const char *why)
{
	load_error(s->load, why, s->index);
	if (s->ready)
		s->load->ready--;
	s->ready = false;
	close(s->fd);
	s->fd = -1;
}

static void subscriber_ask(struct subscriber *s)
{
	static const char upgrade[] = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	                              "Sec-WebSocket-Version: 13\r\n"
	                              "Sec-WebSocket-Key: " WS_KEY "\r\n";
	const struct options *o = &s->load->options;
	char path[200], request[512];
	load_path(s->load, o->websocket ? o->peer->ws_path : o->peer->sse_path, s->job, path, sizeof(path));
	int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n", path,
	                   (unsigned)o->port, o->websocket ? upgrade : "Accept: text/event-stream\r\n");
	if (send(s->fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
		subscriber_close(s, "cannot ask on connection");
		return;
	}
	s->asked = true;
	load_rewatch(s->load, s->fd, EPOLLIN | EPOLLRDHUP | EPOLLET, &s->source);
}

void subscriber_take(struct subscriber *s, char *bytes, size_t len)
{
	struct sink sink = { take_message, s };
	if (!stream_feed(&s->stream, bytes, len, &sink))
		subscriber_close(s, s->stream.status != 200 && s->stream.status != 101
		                        ? "refused connection"
		                        : "bytes not understood on connection");
}

/* Edge-triggered, which spares the kernel a second look at every socket: so it reads until a read
 * comes back short, and to the end when the server has hung up. */
static void subscriber_read(struct subscriber *s, bool hung_up)
{
	ssize_t n;
	do {
		n = recv(s->fd, inbox + STREAM_ROOM, sizeof(inbox) - STREAM_ROOM, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			subscriber_close(s, n ? strerror(errno) : "server closed connection");
		s->load->read_ns = clock_ns();
		if (n > 0)
			subscriber_take(s, inbox + STREAM_ROOM, (size_t)n);
	} while (s->fd >= 0 && (hung_up || (size_t)n == sizeof(inbox) - STREAM_ROOM));
}

/* A stalled one sees only that the server hangs up on it, which is what the server should do. */
static void subscriber_ready(struct source *source, uint32_t events)
{
	struct subscriber *s = (struct subscriber *)(void *)source;
	if (s->fd < 0)
		return;
	if (!s->asked) {
		if (events & (EPOLLERR | EPOLLHUP))
			subscriber_close(s, "cannot connect connection");
		else
			subscriber_ask(s);
		return;
	}
	if (s->stalled && s->ready) {
		close(s->fd);
		s->fd = -1;
		return;
	}
	subscriber_read(s, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
}

void subscribers_create(struct load *load)
{
	const struct options *o = &load->options;
	load->subscriber_count = o->subscribers + o->idle + o->stalled;
	load->subscribers = calloc(load->subscriber_count + 1, sizeof(*load->subscribers));
	if (!load->subscribers)
		abort();
	for (uint64_t i = 0; i < load->subscriber_count; i++) {
		struct subscriber *s = &load->subscribers[i];
		bool idle = i >= o->subscribers && i < o->subscribers + o->idle;
		*s = (struct subscriber){
			.load = load, .fd = -1, .index = (uint32_t)i, .source.ready = subscriber_ready
		};
		s->job = (uint32_t)(idle ? o->jobs : i % o->jobs);
		s->stalled = i >= o->subscribers + o->idle;
		stream_init(&s->stream);
	}
}

void subscribers_destroy(struct load *load)
{
	for (uint64_t i = 0; i < load->subscriber_count; i++) {
		if (load->subscribers[i].fd >= 0)
			close(load->subscribers[i].fd);
		stream_finish(&load->subscribers[i].stream);
	}
	free(load->subscribers);
}

void subscribers_open(struct load *load)
{
	while (load->opened < load->subscriber_count && load->opened < load->ready + load->errors + ON_THEIR_WAY) {
		struct subscriber *s = &load->subscribers[load->opened];
		s->fd = net_connect(&load->options, load->opened++);
		load_watch(load, s->fd, EPOLLOUT, &s->source);
	}
}

void subscribers_end(struct load *load)
{
	for (uint64_t i = 0; i < load->options.subscribers; i++)
		check_end(load->check, (uint32_t)i, load->subscribers[i].job, load->committed);
}

uint64_t subscribers_due(const struct load *load)
{
	uint64_t jobs = load->options.jobs, due = 0;
	for (uint64_t p = 0; p < load->options.publishers; p++) {
		uint64_t job = p % jobs;
		uint64_t watchers = load->options.subscribers / jobs + (job < load->options.subscribers % jobs);
		due += watchers * load->committed[p];
	}
	return due;
}
