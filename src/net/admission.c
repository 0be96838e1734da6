#include "admission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy_header.h"
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
	size_t seen, drained;
	uint64_t due;
	struct list link;
};

void admission_init(struct admission *d, uv_loop_t *loop, const struct limits *limits,
                    void *context)
{
	*d = (struct admission){ .loop = loop, .limits = limits, .context = context };
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

/* Removes the pending connection.  The caller owns its descriptor, its TLS and its origin. */
static void remove_pending(struct pending *g)
{
	list_remove(&g->link);
	uv_poll_stop(&g->poll);
	uv_close((uv_handle_t *)&g->poll, free_pending);
}

static void close_arrival(struct admission *d, const struct arrival *a)
{
	tls_free(a->tls);
	close(a->fd);
	d->gone(d->context, a);
}

static void drop(struct pending *g)
{
	remove_pending(g);
	close_arrival(g->admission, &g->arrival);
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
	char status[64], headers[128], retry[HTTP_RETRY_MAX];

	snprintf(status, sizeof(status), "%d %s", outcome_status(p->outcome),
	         outcome_title(p->outcome));
	http_retry_after(p, retry);
	snprintf(headers, sizeof(headers), "%s%s", http_refusal_lines(p->outcome), retry);
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
 * Looks at the bytes that have arrived; *seen is how many were there the last time.  False: none
 * are new, or, if *gone is set, the client has gone: the end of its input also wakes poll.
 */
static bool peek(struct admission *d, int fd, size_t *seen, bool *gone)
{
	ssize_t n = recv(fd, d->peek, d->peek_size, MSG_PEEK | MSG_DONTWAIT);

	*gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
	        (n > 0 && (size_t)n == *seen);
	if (n <= 0 || *gone)
		return false;
	*seen = (size_t)n;
	return true;
}

/* What becomes of a connection after its next bytes. */
enum step { STEP_WAIT, STEP_ENTER, STEP_REJECT, STEP_REFUSE, STEP_DROP };

/* Takes the PROXY header.  WAIT: it is not complete.  ENTER: it was taken. */
static enum step take_header(struct admission *d, struct arrival *a, size_t *seen,
                             struct problem *problem)
{
	struct proxy_header header;
	bool gone;

	if (!peek(d, a->fd, seen, &gone))
		return gone ? STEP_DROP : STEP_WAIT;
	switch (proxy_header_parse((struct slice){ d->peek, *seen }, &header)) {
	case PROXY_HEADER_INCOMPLETE:
		expect_more_than(a->fd, *seen);
		return STEP_WAIT;
	case PROXY_HEADER_BAD:
		problem_set(problem, OUTCOME_BAD_REQUEST,
		            "a connection of this proxy must begin with a PROXY protocol header");
		return STEP_REFUSE;
	case PROXY_HEADER_GOOD:
		break;
	}
	if (recv(a->fd, d->peek, header.len, MSG_DONTWAIT) != (ssize_t)header.len)
		return STEP_DROP;
	expect_more_than(a->fd, 0);
	a->header_due = false;
	*seen = 0;
	if (header.source.family != ADDRESS_UNKNOWN)
		a->peer = header.source;
	return STEP_ENTER;
}

/* Parses the head of the first request, which stays unread. */
static enum step peek_head(struct admission *d, const struct arrival *a, size_t *seen,
                           struct problem *problem)
{
	struct request_head head;
	bool gone;

	if (!peek(d, a->fd, seen, &gone))
		return gone ? STEP_DROP : STEP_WAIT;
	switch (request_head_parse((struct slice){ d->peek, *seen }, d->limits, &head, problem)) {
	case HEAD_INCOMPLETE:
		expect_more_than(a->fd, *seen);
		return STEP_WAIT;
	case HEAD_REFUSED:
		return STEP_REFUSE;
	case HEAD_GOOD:
		break;
	}
	return a->full ? STEP_REJECT : STEP_ENTER;
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
static enum step read_more(struct pending *g, struct problem *problem)
{
	struct admission *d = g->admission;
	ssize_t n = recv(g->arrival.fd, d->peek, d->peek_size, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_WAIT;
	if (n <= 0)
		return STEP_DROP;
	struct slice bytes = { d->peek, (size_t)n };
	if (!g->arrival.listen->tls)
		buf_slice(&g->read, bytes);
	else if (!open_sealed(g, bytes, problem))
		return outcome_is_error(problem->outcome) ? STEP_REFUSE : STEP_DROP;
	return STEP_ENTER;
}

static enum step read_head(struct pending *g, struct problem *problem)
{
	struct admission *d = g->admission;
	struct request_head head;
	enum step step = read_more(g, problem);
	enum request_head_result result = HEAD_INCOMPLETE;

	if (step != STEP_ENTER)
		return step;
	if (g->read.len)
		result = request_head_parse(buf_as_slice(&g->read), d->limits, &head, problem);
	if (result == HEAD_REFUSED)
		return STEP_REFUSE;
	if (result == HEAD_INCOMPLETE)
		return g->arrival.ended ? STEP_DROP : STEP_WAIT;
	return g->arrival.full ? STEP_REJECT : STEP_ENTER;
}

/* `g`: the arrival when it waits, otherwise NULL. */
static enum step advance(struct admission *d, struct arrival *a, size_t *seen, struct pending *g,
                         struct problem *problem)
{
	if (a->header_due) {
		enum step s = take_header(d, a, seen, problem);
		if (s != STEP_ENTER)
			return s;
	}
	if (!a->counted && !d->count(d->context, a))
		return STEP_DROP;
	a->counted = true;
	if (!is_read(a))
		return peek_head(d, a, seen, problem);
	return g ? read_head(g, problem) : STEP_WAIT;
}

/* The bytes that begin with the head. */
static struct slice seen_of(const struct pending *g)
{
	return is_read(&g->arrival) ? buf_as_slice(&g->read)
	                            : (struct slice){ g->admission->peek, g->seen };
}

/* Lets the connection enter. */
static void enter_pending(struct pending *g)
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

	if (refusal_is_event(find_accept(g), g->arrival.full->outcome))
		send_event(&g->arrival, g->arrival.full->outcome, d->refused(d->context));
	else
		send_refusal(&g->arrival, g->arrival.full);
	linger(g);
}

/* Output that the socket does not take can only be that of a handshake. */
static void wait_again(struct pending *g)
{
	const struct tls *t = g->arrival.tls;

	if (t)
		uv_poll_start(&g->poll, UV_READABLE | (tls_unsent(t) ? UV_WRITABLE : 0), on_ready);
}

static void settle(struct pending *g, enum step step, const struct problem *problem)
{
	switch (step) {
	case STEP_WAIT:
		wait_again(g);
		return;
	case STEP_ENTER:
		enter_pending(g);
		return;
	case STEP_REJECT:
		reject(g);
		return;
	case STEP_REFUSE:
		refuse(g, problem);
		return;
	case STEP_DROP:
		drop(g);
	}
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct pending *g = poll->data;
	struct problem problem = { 0 };
	bool ok = status >= 0;

	if (ok && (events & UV_WRITABLE) && g->arrival.tls)
		ok = tls_flush(g->arrival.tls);
	if (!ok)
		drop(g);
	else if (g->refused)
		drain(g);
	else
		settle(g, advance(g->admission, &g->arrival, &g->seen, g, &problem), &problem);
}

static struct pending *stay(struct admission *d, const struct arrival *a)
{
	struct pending *g = xcalloc(1, sizeof(*g));

	g->admission = d;
	g->arrival = *a;
	g->arrival.consumed = is_read(a);
	if (a->listen->tls)
		g->arrival.tls = tls_create(*d->certificates, a->fd, d->sealed);
	g->due = uv_now(d->loop) + (a->full ? LINGER_MS : d->limits->header_timeout_ms);
	uv_poll_init(d->loop, &g->poll, a->fd);
	g->poll.data = g;
	list_append(&d->pending, &g->link);
	uv_poll_start(&g->poll, UV_READABLE, on_ready);
	return g;
}

static struct arrival arrival_of(const struct admission *d, int fd, const struct listen *listen)
{
	struct arrival a = { .fd = fd, .listen = listen, .peer = client_address_of_socket(fd) };

	a.header_due = d->proxies && trusted_proxies_have(d->proxies, &a.peer);
	return a;
}

void admission_arrive(struct admission *d, int fd, const struct listen *listen)
{
	struct arrival a = arrival_of(d, fd, listen);
	struct problem problem = { 0 };
	size_t seen = 0;
	enum step step = advance(d, &a, &seen, NULL, &problem);

	if (step == STEP_ENTER) {
		d->enter(d->context, &a, (struct slice){ d->peek, seen });
	} else if (step == STEP_DROP) {
		close_arrival(d, &a);
	} else {
		struct pending *g = stay(d, &a);
		g->seen = seen;
		settle(g, step, &problem);
	}
}

void admission_reject(struct admission *d, int fd, const struct listen *listen,
                      const struct problem *problem)
{
	struct arrival a = arrival_of(d, fd, listen);

	a.full = problem;
	a.counted = true; /* not for its client, who gets nothing */
	stay(d, &a);
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
			refuse(g, g->arrival.full ? g->arrival.full : &late);
	}
}

void admission_close(struct admission *d)
{
	while (!list_empty(&d->pending))
		drop(container_of(d->pending.next, struct pending, link));
}
