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

#define LINGER_MS 1000                 /* time for a rejected client to read the answer */
#define LINGER_BYTES (8 * 1024 * 1024) /* it may still send so much at most */

struct pending {
	struct admission *admission;
	uv_poll_t poll;
	int fd;
	bool refused;
	const struct problem
	    *full; /* the problem to reject it with, whatever it requests; NULL if it may enter */
	size_t seen, drained;
	uint64_t due;
	struct list link;
};

void admission_init(struct admission *d, uv_loop_t *loop, const struct limits *limits,
                    void (*enter)(void *, int, struct slice), void (*gone)(void *), void *context)
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
	free(handle->data);
}

/* Removes the pending connection.  The caller owns the returned descriptor. */
static int remove_pending(struct pending *g)
{
	list_remove(&g->link);
	uv_poll_stop(&g->poll);
	uv_close((uv_handle_t *)&g->poll, free_pending);
	return g->fd;
}

static void drop(struct pending *g)
{
	close(remove_pending(g));
	g->admission->gone(g->admission->context);
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
	char status[64], headers[128];

	snprintf(status, sizeof(status), "%d %s", outcome_status(p->outcome),
	         outcome_title(p->outcome));
	snprintf(headers, sizeof(headers), "%s%s", http_refusal_lines(p->outcome),
	         outcome_status(p->outcome) == 503 ? RETRY_AFTER : "");
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

/* Lets the connection enter.  The bytes that were looked at are still unread. */
static void enter(struct admission *d, int fd, size_t seen)
{
	d->enter(d->context, fd, (struct slice){ d->peek, seen });
}

/*
 * Reads what the client still sends.  Closing a socket with unread bytes would reset the
 * connection, and the client would lose the answer.
 */
static void drain(struct pending *g)
{
	struct admission *d = g->admission;
	ssize_t n;

	while ((n = recv(g->fd, d->peek, d->peek_size, MSG_DONTWAIT)) > 0) {
		g->drained += (size_t)n;
		if (g->drained > LINGER_BYTES)
			break;
	}
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		drop(g);
}

static void linger(struct pending *g)
{
	expect_more_than(g->fd, 0);
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
	send_refusal(g->fd, p);
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

	if (refusal_is_event(find_accept(g), g->full->outcome))
		send_event(g->fd, g->full->outcome, d->refused(d->context));
	else
		send_refusal(g->fd, g->full);
	linger(g);
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
		switch (peek_head(g->admission, g->fd, &g->seen, &problem)) {
		case HEAD_INCOMPLETE:
			break;
		case HEAD_GOOD:
			if (g->full) {
				reject(g);
				break;
			}
			expect_more_than(g->fd, 0); /* until now poll waited for more bytes */
			enter(g->admission, remove_pending(g), g->seen);
			break;
		case HEAD_REFUSED:
			refuse(g, &problem);
		}
}

static struct pending *stay(struct admission *d, int fd)
{
	struct pending *g = xcalloc(1, sizeof(*g));

	g->admission = d;
	g->fd = fd;
	g->due = uv_now(d->loop) + d->limits->header_timeout_ms;
	uv_poll_init(d->loop, &g->poll, fd);
	g->poll.data = g;
	list_append(&d->pending, &g->link);
	uv_poll_start(&g->poll, UV_READABLE, on_readable);
	return g;
}

void admission_arrive(struct admission *d, int fd)
{
	struct problem problem = { 0 };
	size_t seen = 0;
	enum request_head_result h = peek_head(d, fd, &seen, &problem);

	if (h == HEAD_GOOD) {
		enter(d, fd, seen);
		return;
	}
	struct pending *g = stay(d, fd);
	g->seen = seen;
	if (h == HEAD_REFUSED)
		refuse(g, &problem);
}

void admission_reject(struct admission *d, int fd, const struct problem *problem)
{
	struct pending *g = stay(d, fd);

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
