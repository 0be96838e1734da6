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

#define LINGER_MS 1000                 /* time for a rejected client to read the answer */
#define LINGER_BYTES (8 * 1024 * 1024) /* it may still send so much at most */

struct pending {
	struct admission *admission;
	uv_poll_t poll;
	struct arrival arrival;
	bool refused;
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
	free(handle->data);
}

/* Removes the pending connection.  The caller owns what is returned. */
static struct arrival remove_pending(struct pending *g)
{
	list_remove(&g->link);
	uv_poll_stop(&g->poll);
	uv_close((uv_handle_t *)&g->poll, free_pending);
	return g->arrival;
}

static void close_arrival(struct admission *d, const struct arrival *a)
{
	close(a->fd);
	d->gone(d->context, a);
}

static void drop(struct pending *g)
{
	struct arrival a = remove_pending(g);

	close_arrival(g->admission, &a);
}

/* Sends the first bytes on a fresh socket, so they fit into its buffer.  Empties `body`. */
static void send_answer(int fd, const char *status, const char *type, const char *headers,
                        struct buf *body)
{
	struct buf out = { 0 };

	buf_format(&out,
	           "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: "
	           "%zu\r\nConnection: close\r\n%s\r\n",
	           status, http_date(), type, body->len, headers);
	buf_slice(&out, buf_as_slice(body));
	send(fd, out.ptr, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	buf_finish(body);
	buf_finish(&out);
}

static void send_refusal(int fd, const struct problem *p)
{
	struct buf body = { 0 };
	char status[64], headers[128], retry[HTTP_RETRY_MAX];

	snprintf(status, sizeof(status), "%d %s", outcome_status(p->outcome),
	         outcome_title(p->outcome));
	http_retry_after(p, retry);
	snprintf(headers, sizeof(headers), "%s%s", http_refusal_lines(p->outcome), retry);
	problem_encode(p, &body);
	buf_char(&body, '\n');
	send_answer(fd, status, "application/problem+json", headers, &body);
}

/* Rejects a stream with an event: see refusal.h. */
static void send_event(int fd, enum outcome o, unsigned wait_ms)
{
	struct buf body = { 0 };

	refusal_encode(&body, o, wait_ms);
	send_answer(fd, "200 OK", EVENT_STREAM, EVENT_STREAM_HEADERS, &body);
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
static enum step read_head(struct admission *d, const struct arrival *a, size_t *seen,
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

static enum step advance(struct admission *d, struct arrival *a, size_t *seen,
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
	return read_head(d, a, seen, problem);
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

static void linger(struct pending *g)
{
	expect_more_than(g->arrival.fd, 0);
	g->refused = true;
	g->due = uv_now(g->admission->loop) + LINGER_MS;
	drain(g);
}

static void refuse(struct pending *g, const struct problem *p)
{
	send_refusal(g->arrival.fd, p);
	linger(g);
}

/* Returns the Accept header of a good head, which is in d->peek. */
static struct slice find_accept(const struct pending *g)
{
	struct admission *d = g->admission;
	struct problem problem = { 0 };
	struct slice fields, name, value;
	struct request_head head;

	if (request_head_parse((struct slice){ d->peek, g->seen }, d->limits, &head, &problem) !=
	        HEAD_GOOD ||
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
	const struct problem *full = g->arrival.full;

	if (refusal_is_event(find_accept(g), full->outcome))
		send_event(g->arrival.fd, full->outcome, d->refused(d->context));
	else
		send_refusal(g->arrival.fd, full);
	linger(g);
}

/* Lets the connection enter.  The bytes that were looked at are still unread. */
static void enter(struct admission *d, const struct arrival *a, size_t seen)
{
	d->enter(d->context, a, (struct slice){ d->peek, seen });
}

static void enter_pending(struct pending *g)
{
	struct arrival a = remove_pending(g);

	expect_more_than(a.fd, 0); /* until now poll waited for more bytes */
	enter(g->admission, &a, g->seen);
}

static void settle(struct pending *g, enum step step, const struct problem *problem)
{
	switch (step) {
	case STEP_WAIT:
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

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct pending *g = poll->data;
	struct problem problem = { 0 };

	(void)events;
	if (status < 0)
		drop(g);
	else if (g->refused)
		drain(g);
	else
		settle(g, advance(g->admission, &g->arrival, &g->seen, &problem), &problem);
}

static struct pending *stay(struct admission *d, const struct arrival *a)
{
	struct pending *g = xcalloc(1, sizeof(*g));

	g->admission = d;
	g->arrival = *a;
	g->due = uv_now(d->loop) + (a->full ? LINGER_MS : d->limits->header_timeout_ms);
	uv_poll_init(d->loop, &g->poll, a->fd);
	g->poll.data = g;
	list_append(&d->pending, &g->link);
	uv_poll_start(&g->poll, UV_READABLE, on_readable);
	return g;
}

static struct arrival arrival_of(const struct admission *d, int fd)
{
	struct arrival a = { .fd = fd, .peer = client_address_of_socket(fd) };

	a.header_due = d->proxies && trusted_proxies_have(d->proxies, &a.peer);
	return a;
}

void admission_arrive(struct admission *d, int fd)
{
	struct arrival a = arrival_of(d, fd);
	struct problem problem = { 0 };
	size_t seen = 0;
	enum step step = advance(d, &a, &seen, &problem);

	if (step == STEP_ENTER) {
		enter(d, &a, seen);
	} else if (step == STEP_DROP) {
		close_arrival(d, &a);
	} else {
		struct pending *g = stay(d, &a);
		g->seen = seen;
		settle(g, step, &problem);
	}
}

void admission_reject(struct admission *d, int fd, const struct problem *problem)
{
	struct arrival a = arrival_of(d, fd);

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
