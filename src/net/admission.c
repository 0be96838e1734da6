#include "admission_private.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "joblight/base/xalloc.h"
#include "refusal.h"
#include "request.h"
#include "request_head.h"
#include "tls.h"

#define LINGER_MS 1000                 /* time for a rejected client to read the answer */
#define LINGER_BYTES (8 * 1024 * 1024) /* it may still send so much at most */

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

/* Lets the connection enter. */
static void enter_pending(struct pending *g)
{
	struct admission *d = g->admission;

	if (!admission_is_read(&g->arrival))
		admission_expect_more_than(g->arrival.fd,
		                           0); /* until now poll waited for more bytes */
	remove_pending(g);
	d->enter(d->context, &g->arrival, admission_seen(g));
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
	admission_expect_more_than(g->arrival.fd, 0);
	uv_poll_start(&g->poll, UV_READABLE, on_ready);
	g->refused = true;
	g->due = uv_now(g->admission->loop) + LINGER_MS;
	drain(g);
}

static void refuse(struct pending *g, const struct problem *p)
{
	admission_send_refusal(&g->arrival, p, &(struct request){ 0 }, "");
	g->admission->answered(g->admission->context, &g->arrival, NULL, p->outcome);
	linger(g);
}

static bool is_name(struct slice text, const char *name)
{
	return text.len == strlen(name) && strncasecmp(text.ptr, name, text.len) == 0;
}

/* Reads what an answer depends on from a good head. */
static void describe_request(const struct pending *g, struct request *r)
{
	struct admission *d = g->admission;
	struct problem problem = { 0 };
	struct slice fields, name, value;
	struct request_head head;

	if (request_head_parse(admission_seen(g), d->limits, &head, &problem) != HEAD_GOOD)
		return;
	r->head = head.method == METHOD_HEAD;
	r->method = r->head ? METHOD_GET : head.method;
	fields = head.fields;
	while (request_head_next_field(&fields, &name, &value))
		if (is_name(name, "accept"))
			r->headers[HEADER_ACCEPT] = value;
		else if (is_name(name, "origin"))
			r->headers[HEADER_ORIGIN] = value;
}

static void reject(struct pending *g)
{
	struct admission *d = g->admission;
	const struct problem *full = g->arrival.full;
	struct request r = { 0 };
	struct buf lines = { 0 };

	describe_request(g, &r);
	d->add_lines(d->context, &r, &lines);
	if (r.method == METHOD_GET && !r.head &&
	    refusal_is_event(r.headers[HEADER_ACCEPT], full->outcome))
		admission_send_event(&g->arrival, full->outcome, d->refused(d->context),
		                     buf_string(&lines));
	else
		admission_send_refusal(&g->arrival, full, &r, buf_string(&lines));
	buf_finish(&lines);
	d->answered(d->context, &g->arrival, &r, full->outcome);
	linger(g);
}

/* Output that the socket does not take can only be that of a handshake. */
static void wait_again(struct pending *g)
{
	const struct tls *t = g->arrival.tls;

	if (t)
		uv_poll_start(&g->poll, UV_READABLE | (tls_unsent(t) ? UV_WRITABLE : 0), on_ready);
}

static void settle(struct pending *g, enum admission_step step, const struct problem *problem)
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
		settle(g,
		       admission_is_read(&g->arrival)
		           ? admission_read_on(g, &problem)
		           : admission_look(g->admission, &g->arrival, &g->seen, &problem),
		       &problem);
}

static struct pending *stay(struct admission *d, const struct arrival *a)
{
	struct pending *g = xcalloc(1, sizeof(*g));

	g->admission = d;
	g->arrival = *a;
	g->arrival.consumed = admission_is_read(a);
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
	a.has_header = a.header_due;
	return a;
}

/* Whoever says nothing is counted, too; a proxy only when it has told its client. */
static enum admission_step first_step(struct admission *d, struct arrival *a, size_t *seen,
                                      struct problem *problem)
{
	if (!admission_is_read(a))
		return admission_look(d, a, seen, problem);
	return a->header_due || admission_count(d, a) ? STEP_WAIT : STEP_DROP;
}

void admission_arrive(struct admission *d, int fd, const struct listen *listen)
{
	struct arrival a = arrival_of(d, fd, listen);
	struct problem problem = { 0 };
	size_t seen = 0;
	enum admission_step step = first_step(d, &a, &seen, &problem);

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

/* A proxy that has not told its client yet, and TLS, cannot be passed. */
static bool can_pause(const struct pending *g)
{
	return !g->arrival.tls && !g->arrival.header_due && !g->arrival.full && !g->refused;
}

void admission_pause(struct admission *d)
{
	for (struct list *at = d->pending.next; at != &d->pending; at = at->next) {
		struct pending *g = container_of(at, struct pending, link);
		if (can_pause(g))
			uv_poll_stop(&g->poll);
	}
}

void admission_resume(struct admission *d)
{
	for (struct list *at = d->pending.next; at != &d->pending; at = at->next) {
		struct pending *g = container_of(at, struct pending, link);
		if (can_pause(g))
			uv_poll_start(&g->poll, UV_READABLE, on_ready);
	}
}

bool admission_has_sealed(const struct admission *d)
{
	for (struct list *at = d->pending.next; at != &d->pending; at = at->next)
		if (!can_pause(container_of(at, struct pending, link)))
			return true;
	return false;
}

void admission_leave(struct admission *d, admission_pass *pass)
{
	for (struct list *at = d->pending.next, *next; at != &d->pending; at = next) {
		struct pending *g = container_of(at, struct pending, link);
		next = at->next;
		if (!can_pause(g))
			continue;
		admission_expect_more_than(g->arrival.fd, 0);
		if (pass(d->context, &g->arrival, buf_as_slice(&g->read)))
			drop(g);
	}
}

void admission_close(struct admission *d)
{
	while (!list_empty(&d->pending))
		drop(container_of(d->pending.next, struct pending, link));
}
