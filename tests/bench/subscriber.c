#include "subscriber.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "hearing.h"
#include "net.h"
#include "peer.h"
#include "trouble.h"
#include "websocket.h"

void subscriber_accepted(struct subscriber *s)
{
	if (s->ready)
		return;
	s->ready = true;
	s->load->ready++;
	if (s->manner >= MANNER_STALLED)
		trouble_begin(s);
}

/* One that misbehaves may be closed already; it was open nevertheless. */
static void subscriber_close(struct subscriber *s, const char *why)
{
	bool may = s->manner >= MANNER_STALLED && s->ready;
	if (!may) {
		load_error(s->load, why, s->index);
		s->load->ready -= s->ready;
		s->ready = false;
	} else if (s->manner == MANNER_HALF) {
		s->load->trouble->hung_up++;
	}
	close(s->fd);
	s->fd = -1;
}

/* The position it had, as a header and as a query. */
static void position(const struct subscriber *s, char *header, char *query, size_t size)
{
	const struct load *load = s->load;
	*header = *query = 0;
	if (load->coming != COMING_RESUME)
		return;
	unsigned long long seq = check_position(load->check, s->index);
	snprintf(header, size, "Last-Event-ID: %s.%llu\r\n", load->epoch, seq);
	snprintf(query, size, "&since=%s.%llu", load->epoch, seq);
}

static void add_heartbeat(const struct options *o, char *path, size_t size)
{
	size_t len = strlen(path);

	if (o->heartbeat_s)
		snprintf(path + len, size - len, "%cheartbeat=%u", strchr(path, '?') ? '&' : '?',
		         (unsigned)o->heartbeat_s);
}

static void subscriber_ask(struct subscriber *s)
{
	const struct options *o = &s->load->options;
	char path[LOAD_PATH_SIZE + 100], request[800], header[100], query[100];
	load_path(s->load, o->websocket ? o->peer->ws_path : o->peer->sse_path, s->job, path);
	add_heartbeat(o, path, LOAD_PATH_SIZE);
	position(s, header, query, sizeof(header));
	size_t len;
	if (o->websocket)
		len = websocket_request(request, sizeof(request), strcat(path, query),
		                        (unsigned)o->port);
	else
		len = (size_t)snprintf(
		    request, sizeof(request),
		    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: text/event-stream\r\n%s\r\n",
		    path, (unsigned)o->port, header);
	if (net_send(s->fd, request, len) != (ssize_t)len) {
		subscriber_close(s, "cannot ask on connection");
		return;
	}
	s->asked = true;
	load_rewatch(s->load, s->fd, EPOLLIN | EPOLLRDHUP | EPOLLET, &s->source);
}

/* An idle connection receives something only now and then. */
static void hear(struct subscriber *s, uint64_t now)
{
	if (s->manner != MANNER_IDLE)
		return;
	if (s->since_ns && now - s->since_ns > s->load->silence_ns)
		s->load->silence_ns = now - s->since_ns;
	s->since_ns = now;
}

void subscribers_hear(struct load *load, bool begin)
{
	uint64_t now = clock_ns();
	for (uint64_t i = load->options.subscribers;
	     i < load->options.subscribers + load->options.idle; i++)
		hear(&load->subscribers[i], now);
	if (begin)
		load->silence_ns = 0;
}

void subscriber_take(struct subscriber *s, char *bytes, size_t len)
{
	struct sink sink = { hearing_message, s };
	if (!stream_feed(&s->stream, bytes, len, &sink))
		subscriber_close(s, s->stream.status != 200 && s->stream.status != 101
		                        ? "refused connection"
		                        : "bytes not understood on connection");
}

/* Edge-triggered, which spares the kernel a second look at every socket: so it reads until a read
 * comes back short, and to the end when the server has hung up. */
static void subscriber_read(struct subscriber *s, bool hung_up)
{
	size_t room;
	char *buffer = stream_buffer(&room);
	ssize_t n;
	do {
		n = net_recv(s->fd, buffer, room);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			subscriber_close(s, n ? strerror(errno) : "server closed connection");
		s->load->read_ns = clock_ns();
		hear(s, s->load->read_ns);
		if (n > 0)
			subscriber_take(s, buffer, (size_t)n);
	} while (s->fd >= 0 && (hung_up || (size_t)n == room));
}

/* One that does not read sees only that the server hangs up on it, which is what the server should
 * do. */
static void subscriber_event(struct source *source, uint32_t events)
{
	struct subscriber *s = (struct subscriber *)(void *)source;
	if (s->fd < 0)
		return;
	if (!s->asked) {
		if (events & (EPOLLERR | EPOLLHUP))
			subscriber_close(s, "cannot connect connection");
		else
			subscriber_ask(s);
	} else if (s->ready && s->manner >= MANNER_STALLED && s->manner != MANNER_HALF) {
		subscriber_close(s, "hung up");
	} else {
		subscriber_read(s, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	}
}

static void subscribers_add(struct load *load, uint64_t count, enum manner manner)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t index = load->subscriber_count++;
		struct subscriber *s = &load->subscribers[index];
		*s = (struct subscriber){
			.load = load, .fd = -1, .index = (uint32_t)index, .manner = manner
		};
		s->source.ready = subscriber_event;
		s->job = (uint32_t)(manner == MANNER_IDLE ? load->options.jobs
		                                          : index % load->options.jobs);
		stream_init(&s->stream);
		s->stream.nats = load->options.peer->nats;
	}
}

void subscribers_create(struct load *load)
{
	const struct options *o = &load->options;
	const uint64_t counts[MANNERS] = { o->subscribers, o->idle, o->stalled,
		                           o->slow,        o->half, o->vanished };
	uint64_t total = 0;
	for (int manner = 0; manner < MANNERS; manner++)
		total += counts[manner];
	load->subscribers = calloc(total + 1, sizeof(*load->subscribers));
	if (!load->subscribers)
		abort();
	for (int manner = 0; manner < MANNERS; manner++)
		subscribers_add(load, counts[manner], (enum manner)manner);
	assert(load->subscriber_count == total);
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
	while (load->opened < load->subscriber_count &&
	       load->opened < load->ready + load->errors + load->options.width) {
		struct subscriber *s = &load->subscribers[load->opened];
		s->fd = net_connect(&load->options, load->options.port, load->opened++,
		                    trouble_receive_bytes(s->manner));
		if (load->coming != COMING_FIRST)
			s->since_ns = clock_ns();
		load_watch(load, s->fd, EPOLLOUT, &s->source);
	}
}

void subscribers_cut(struct load *load, enum coming coming)
{
	for (uint64_t i = 0; i < load->subscriber_count; i++) {
		struct subscriber *s = &load->subscribers[i];
		if (s->fd >= 0)
			close(s->fd);
		stream_finish(&s->stream);
		s->stream.nats = load->options.peer->nats;
		s->fd = -1;
		s->asked = s->ready = s->caught_up = false;
	}
	load->opened = load->ready = load->caught_up = 0;
	load->coming = coming;
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
		uint64_t watchers = load->options.subscribers / jobs +
		                    (job < load->options.subscribers % jobs);
		due += watchers * load->committed[p];
	}
	return due;
}
