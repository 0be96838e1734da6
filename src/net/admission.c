#include "admission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "request_head.h"
#include "request.h"
#include "joblight/base/xalloc.h"
#include "refusal.h"
#include "tls.h"

#define LINGER_MS 1000                 /* time for a rejected client to read the answer */
#define LINGER_BYTES (8 * 1024 * 1024) /* it may still send so much at most */
#define TLS_HANDSHAKE 0x16

struct pending {
	struct admission *admission;
	uv_poll_t poll;
	struct arrival arrival;
	struct buf read; /* what was read of a connection that is not looked at */
	bool refused;
	bool has_begun; /* the first bytes were those of TLS */
	const struct problem
	    *full; /* the problem to reject it with, whatever it requests; NULL if it may enter */
	size_t seen, drained;
	uint64_t due;
	struct list link;
};

void admission_init(struct admission *d, uv_loop_t *loop, const struct limits *limits,
                    void (*enter)(void *, const struct arrival *, struct slice),
                    void (*gone)(void *), void *context)
{
	*d = (struct admission){
		.loop = loop, .limits = limits, .enter = enter, .gone = gone, .context = context
	};
	d->peek_size = (size_t)(limits->url_bytes + limits->header_bytes + 64);
	d->peek = xmalloc(d->peek_size);
	list_init(&d->pending);
}

void admission_finish(struct admission *d)
{
	free(d->peek);
}

static void free_pending(uv_handle_t *handle)
{
	struct pending *g = handle->data;

	buf_finish(&g->read);
	free(g);
}

/* Removes the pending connection.  The caller owns its descriptor and its TLS. */
static void remove_pending(struct pending *g)
{
	list_remove(&g->link);
	uv_poll_stop(&g->poll);
	uv_close((uv_handle_t *)&g->poll, free_pending);
}

static void drop(struct pending *g)
{
	remove_pending(g);
	tls_free(g->arrival.tls);
	close(g->arrival.fd);
	g->admission->gone(g->admission->context);
}

/* On a fresh socket, so the bytes fit into its buffer. */
static void send_last(const struct arrival *a, struct slice bytes)
{
	if (!a->tls) {
		send(a->fd, bytes.ptr, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (tls_is_ready(a->tls)) {
		tls_write(a->tls, bytes.ptr, bytes.len);
		tls_end(a->tls);
	}
	shutdown(a->fd, SHUT_WR);
}

/* Empties `body`. */
static void send_answer(const struct arrival *a, const char *status, const char *type,
                        const char *headers, struct buf *body)
{
	struct buf out = { 0 };

	buf_format(&out,
	           "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: "
	           "%zu\r\nConnection: close\r\n%s\r\n",
	           status, http_date(), type, body->len, headers);
	buf_slice(&out, buf_as_slice(body));
	send_last(a, buf_as_slice(&out));
	buf_finish(body);
	buf_finish(&out);
}

static void send_refusal(const struct arrival *a, const struct problem *p)
{
	struct buf body = { 0 };
	char status[64], headers[128];

	snprintf(status, sizeof(status), "%d %s", outcome_status(p->outcome),
	         outcome_title(p->outcome));
	snprintf(headers, sizeof(headers), "%s%s", http_refusal_lines(p->outcome),
	         outcome_status(p->outcome) == 503 ? RETRY_AFTER : "");
	problem_encode(p, &body);
	buf_char(&body, '\n');
	send_answer(a, status, "application/problem+json", headers, &body);
}

/* Rejects a stream with an event: see refusal.h. */
static void send_event(const struct arrival *a, enum outcome o, unsigned wait_ms)
{
	struct buf body = { 0 };

	refusal_encode(&body, o, wait_ms);
	send_answer(a, "200 OK", EVENT_STREAM, EVENT_STREAM_HEADERS, &body);
}

/* Makes poll report only bytes beyond those that were looked at. */
static void expect_more_than(int fd, size_t bytes)
{
	int low_water = (int)bytes + 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof(low_water));
}

/*
 * Parses the bytes that have arrived, and sets *seen to their number.  Returns REFUSED without a
 * problem if the client has gone: the end of its input also wakes poll, with nothing new to read.
 */
static enum request_head_result peek_head(struct admission *d, int fd, size_t *seen,
                                          struct problem *problem)
{
	ssize_t n = recv(fd, d->peek, d->peek_size, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return HEAD_INCOMPLETE;
	if (n <= 0 || (size_t)n == *seen)
		return HEAD_REFUSED;
	*seen = (size_t)n;
	struct request_head head;
	enum request_head_result h = request_head_parse((struct slice){ d->peek, (size_t)n },
	                                                d->limits, &head, problem);
	if (h == HEAD_INCOMPLETE)
		expect_more_than(fd, (size_t)n);
	return h;
}

/* Connections whose head is read. */

static bool is_read(const struct arrival *a)
{
	return a->listen->tls || listen_is_unix(a->listen);
}

/*
 * Whether the first bytes on a TLS port are those of a handshake (RFC 8446 section 5.1).  A request
 * without TLS gets an answer without TLS.
 */
static bool speaks_tls(struct pending *g, struct slice bytes, struct problem *problem)
{
	if (bytes.ptr[0] == TLS_HANDSHAKE)
		return true;
	if (bytes.ptr[0] >= 'A' && bytes.ptr[0] <= 'Z') {
		problem_set(problem, OUTCOME_BAD_REQUEST,
		            "this port speaks TLS: use https:// or wss:// in the URL");
		tls_free(g->arrival.tls);
		g->arrival.tls = NULL;
	}
	return false;
}

/* Adds what the bytes say to g->read.  False: the connection has ended, or gets the problem. */
static bool open_sealed(struct pending *g, struct slice bytes, struct problem *problem)
{
	enum tls_input input;
	size_t len;

	if (!g->has_begun && !speaks_tls(g, bytes, problem))
		return false;
	g->has_begun = true;
	tls_feed(g->arrival.tls, bytes);
	do {
		buf_reserve(&g->read, TLS_RECORD_BYTES);
		input = tls_read(g->arrival.tls, g->read.ptr + g->read.len, TLS_RECORD_BYTES, &len);
		g->read.len += len;
	} while (input == TLS_OPENED);
	g->arrival.ended = input == TLS_ENDED;
	return input != TLS_BROKEN;
}

/* The size of one read is limited, and so is that of a head, so g->read is, too. */
static enum request_head_result read_head(struct pending *g, struct problem *problem)
{
	struct admission *d = g->admission;
	struct request_head head;
	ssize_t n = recv(g->arrival.fd, d->peek, d->peek_size, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return HEAD_INCOMPLETE;
	if (n <= 0)
		return HEAD_REFUSED;
	struct slice bytes = { d->peek, (size_t)n };
	if (!g->arrival.listen->tls)
		buf_slice(&g->read, bytes);
	else if (!open_sealed(g, bytes, problem))
		return HEAD_REFUSED;
	enum request_head_result result = HEAD_INCOMPLETE;
	if (g->read.len)
		result = request_head_parse(buf_as_slice(&g->read), d->limits, &head, problem);
	return result == HEAD_INCOMPLETE && g->arrival.ended ? HEAD_REFUSED : result;
}

/* The bytes that begin with the head. */
static struct slice seen_of(const struct pending *g)
{
	return is_read(&g->arrival) ? buf_as_slice(&g->read)
	                            : (struct slice){ g->admission->peek, g->seen };
}

/* Lets the connection enter. */
static void enter(struct pending *g)
{
	struct admission *d = g->admission;

	if (!is_read(&g->arrival))
		expect_more_than(g->arrival.fd, 0); /* until now poll waited for more bytes */
	remove_pending(g);
	d->enter(d->context, &g->arrival, seen_of(g));
}

/*
 * Reads what the client still sends.  Closing a socket with unread bytes would reset the
 * connection, and the client would lose the answer.
 */
static void drain(struct pending *g)
{
	struct admission *d = g->admission;
	ssize_t n;

	while ((n = recv(g->arrival.fd, d->peek, d->peek_size, MSG_DONTWAIT)) > 0) {
		g->drained += (size_t)n;
		if (g->drained > LINGER_BYTES)
			break;
	}
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		drop(g);
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void linger(struct pending *g)
{
	expect_more_than(g->arrival.fd, 0);
	uv_poll_start(&g->poll, UV_READABLE, on_ready);
	g->refused = true;
	g->due = uv_now(g->admission->loop) + LINGER_MS;
	drain(g);
}

static void refuse(struct pending *g, const struct problem *p)
{
	if (p->outcome == OUTCOME_OK) {
		drop(g);
		return;
	}
	send_refusal(&g->arrival, p);
	linger(g);
}

/* Returns the Accept header of a good head. */
static struct slice find_accept(const struct pending *g)
{
	struct admission *d = g->admission;
	struct problem problem = { 0 };
	struct slice fields, name, value;
	struct request_head head;

	if (request_head_parse(seen_of(g), d->limits, &head, &problem) != HEAD_GOOD ||
	    head.method != METHOD_GET)
		return (struct slice){ 0 };
	fields = head.fields;
	while (request_head_next_field(&fields, &name, &value))
		if (name.len == strlen("accept") && strncasecmp(name.ptr, "accept", name.len) == 0)
			return value;
	return (struct slice){ 0 };
}

static void reject(struct pending *g)
{
	struct admission *d = g->admission;

	if (refusal_is_event(find_accept(g), g->full->outcome))
		send_event(&g->arrival, g->full->outcome, d->refused(d->context));
	else
		send_refusal(&g->arrival, g->full);
	linger(g);
}

/* Output that the socket does not take can only be that of a handshake. */
static void wait_again(struct pending *g)
{
	const struct tls *t = g->arrival.tls;

	if (t)
		uv_poll_start(&g->poll, UV_READABLE | (tls_unsent(t) ? UV_WRITABLE : 0), on_ready);
}

static void take_head(struct pending *g)
{
	struct admission *d = g->admission;
	struct problem problem = { 0 };

	switch (is_read(&g->arrival) ? read_head(g, &problem)
	                             : peek_head(d, g->arrival.fd, &g->seen, &problem)) {
	case HEAD_INCOMPLETE:
		wait_again(g);
		break;
	case HEAD_GOOD:
		if (g->full)
			reject(g);
		else
			enter(g);
		break;
	case HEAD_REFUSED:
		refuse(g, &problem);
	}
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct pending *g = poll->data;
	bool ok = status >= 0;

	if (ok && (events & UV_WRITABLE) && g->arrival.tls)
		ok = tls_flush(g->arrival.tls);
	if (!ok)
		drop(g);
	else if (g->refused)
		drain(g);
	else
		take_head(g);
}

static struct pending *stay(struct admission *d, const struct arrival *a)
{
	struct pending *g = xcalloc(1, sizeof(*g));

	g->admission = d;
	g->arrival = *a;
	g->arrival.consumed = is_read(a);
	if (a->listen->tls)
		g->arrival.tls = tls_create(*d->certificates, a->fd, d->sealed);
	g->due = uv_now(d->loop) + d->limits->header_timeout_ms;
	uv_poll_init(d->loop, &g->poll, a->fd);
	g->poll.data = g;
	list_append(&d->pending, &g->link);
	uv_poll_start(&g->poll, UV_READABLE, on_ready);
	return g;
}

void admission_arrive(struct admission *d, const struct arrival *a)
{
	struct problem problem = { 0 };
	size_t seen = 0;

	if (is_read(a)) {
		stay(d, a);
		return;
	}
	enum request_head_result h = peek_head(d, a->fd, &seen, &problem);
	if (h == HEAD_GOOD) {
		d->enter(d->context, a, (struct slice){ d->peek, seen });
		return;
	}
	struct pending *g = stay(d, a);
	g->seen = seen;
	if (h == HEAD_REFUSED)
		refuse(g, &problem);
}

void admission_reject(struct admission *d, const struct arrival *a, const struct problem *problem)
{
	struct pending *g = stay(d, a);

	g->full = problem;
	g->due = uv_now(d->loop) + LINGER_MS;
}

void admission_tick(struct admission *d, uint64_t now_ms)
{
	struct problem late = { .outcome = OUTCOME_REQUEST_TIMEOUT,
		                .detail = "the request was not complete in time" };

	for (struct list *at = d->pending.next, *next; at != &d->pending; at = next) {
		struct pending *g = container_of(at, struct pending, link);
		next = at->next;
		if (g->due > now_ms)
			continue;
		if (g->refused)
			drop(g);
		else
			refuse(g, g->full ? g->full : &late);
	}
}

void admission_close(struct admission *d)
{
	while (!list_empty(&d->pending))
		drop(container_of(d->pending.next, struct pending, link));
}
