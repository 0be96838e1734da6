#include "http_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/capacity.h"
#include "net/connection_flow.h"
#include "net/dispatch.h"
#include "net/loop_private.h"
#include "net/transport.h"
#include "subscribe_options.h"

static struct http_stream *stream_of(struct subscriber *s)
{
	return (struct http_stream *)s;
}

/* HTTP/1.0 has no chunks: the end of the connection ends the stream. */
static void add_response_head(struct buf *out, const struct http_stream *s)
{
	bool chunked = !s->conn->request->http_1_0;

	buf_format(out, "HTTP/1.1 200 OK\r\nDate: %s\r\n", http_date());
	buf_text(out, s->format->headers);
	reply_add_lines(s->conn, out);
	buf_text(out, chunked ? "Transfer-Encoding: chunked\r\n" : "");
	buf_text(out, "Connection: close\r\n\r\n");
}

/* Answers a HEAD request with the headers only. */
static void answer_head(const struct http_stream *s)
{
	struct conn *c = s->conn;
	struct buf head = { 0 };

	c->close_after = true;
	add_response_head(&head, s);
	reply_head_only(c, &head);
}

static void refuse_problem(const struct http_stream *s, const struct problem *p)
{
	struct conn *c = s->conn;

	c->loop->dispatch->stream_refused(c);
	s->format->refuse(c, p);
}

static void refuse(const struct http_stream *s, const struct subscription_start *o)
{
	struct problem p = { .outcome = o->outcome };

	snprintf(p.detail, sizeof(p.detail), "%s", o->detail ? o->detail : "");
	if (outcome_is_error(o->outcome)) {
		refuse_problem(s, &p);
		return;
	}
	s->conn->loop->dispatch->stream_refused(s->conn);
	reply_empty(s->conn, OUTCOME_NO_CONTENT, ""); /* stops an EventSource for good */
}

static void begin(struct http_stream *s, const struct subscription_start *o)
{
	struct conn *c = s->conn;
	struct first_message m = { 0 };

	if (!o->again) {
		add_response_head(&m.raw, s);
		conn_become_stream(c);
	}
	s->format->add_first(s, o, &m);
	conn_widen(c, o->snapshot.len);
	hub_send(&s->subscriber, &m, o->result);
}

/*
 * The server began to stop during the read.  A stream that started now would not be told of the
 * stop.
 */
static void refuse_stopping(const struct http_stream *s)
{
	struct problem p = { 0 };

	capacity_takes_stream(s->conn, &p);
	refuse_problem(s, &p);
	problem_finish(&p);
}

/*
 * A ticket that has opened a stream continues only that one: the position must be in the job's log,
 * whose epoch nobody else knows.
 */
static bool may_continue(const struct conn *c, const struct subscription_start *o)
{
	struct position p = position_parse(c->request->headers[HEADER_LAST_EVENT_ID]);

	return !c->continues || (p.kind == POSITION_CURSOR && strcmp(p.epoch, o->epoch) == 0);
}

static void refuse_to_continue(const struct http_stream *s)
{
	struct problem p = { .outcome = OUTCOME_UNAUTHORIZED,
		             .detail = "this ticket opened another stream" };

	refuse_problem(s, &p);
}

/* The client may be slow to take the answer.  Until then, it must not count as a stream. */
static void not_a_stream(struct http_stream *s)
{
	hub_detach(s->conn->loop->hub, &s->subscriber);
	capacity_uncount_stream(s->conn);
}

static void stream_opened(struct subscriber *subscriber, const struct subscription_start *o)
{
	struct http_stream *s = stream_of(subscriber);
	struct conn *c = s->conn;

	if (!o->again && !outcome_is_error(o->outcome) && !may_continue(c, o)) {
		not_a_stream(s);
		refuse_to_continue(s);
		return;
	}
	if (outcome_is_error(o->outcome) || (o->finished && !o->again) || s->head) {
		not_a_stream(s);
		if (s->head && !outcome_is_error(o->outcome) && !o->finished)
			answer_head(s);
		else
			refuse(s, o);
		return;
	}
	if (c->loop->stopping) {
		not_a_stream(s);
		refuse_stopping(s);
		return;
	}
	begin(s, o);
}

static enum sink stream_write(struct subscriber *s, const char *bytes, size_t len)
{
	return conn_write(stream_of(s)->conn, bytes, len);
}

/* Sends one write: a chunk if the response is chunked, and the last chunk if `last` is set. */
static enum sink write_bytes(struct http_stream *s, struct buf *out, size_t at, bool last)
{
	if (s->subscriber.chunked) {
		if (out->len > at)
			at = wrap_chunk(out, at);
		buf_text(out, last ? LAST_CHUNK : "");
	}
	enum sink sink = conn_write(s->conn, out->ptr + at, out->len - at);
	buf_finish(out);
	return sink;
}

static void stream_ended(struct subscriber *subscriber, const struct subscription_end *e)
{
	struct http_stream *s = stream_of(subscriber);
	struct buf out = { 0 };
	size_t at = wrap_begin(&out, 0);

	s->format->add_end(s, e, &out);
	write_bytes(s, &out, at, true);
	conn_close(s->conn);
}

static void stream_heartbeat(struct subscriber *subscriber, uint64_t head)
{
	struct http_stream *s = stream_of(subscriber);
	struct buf out = { 0 };
	size_t at = wrap_begin(&out, 0);

	s->format->add_heartbeat(s, head, &out);
	conn_widen(s->conn, 0);
	if (write_bytes(s, &out, at, false) == SINK_BLOCKED)
		hub_block(s->conn->loop->hub, subscriber);
}

static void stream_stalled(struct subscriber *s)
{
	conn_kill(stream_of(s)->conn);
}

static bool stream_takes(struct subscriber *s)
{
	return conn_takes(stream_of(s)->conn);
}

static const struct subscriber_ops stream_ops = {
	.opened = stream_opened,
	.write = stream_write,
	.ended = stream_ended,
	.heartbeat = stream_heartbeat,
	.write_stalled = stream_stalled,
	.takes = stream_takes,
};

/*
 * Ends the stream because the server stops.  Within a message nothing can be added: the stream is
 * cut, and the client reconnects at its old position.
 */
static void end_for_stop(struct conn *c)
{
	struct http_stream *s = c->session;
	struct buf out = { 0 };
	size_t at;

	if (c->state != CONN_STREAM)
		return; /* told when it opens */
	at = wrap_begin(&out, 0);
	s->format->add_stop(s, &out);
	if (subscriber_in_message(&s->subscriber))
		buf_finish(&out);
	else
		write_bytes(s, &out, at, true);
	conn_close(c);
}

static void detach(struct conn *c)
{
	struct http_stream *s = c->session;

	hub_detach(c->loop->hub, &s->subscriber);
}

static void free_session(struct conn *c)
{
	free(c->session);
}

static void writable(struct conn *c)
{
	struct http_stream *s = c->session;

	hub_writable(c->loop->hub, &s->subscriber);
}

static bool is_blocked(const struct conn *c)
{
	const struct http_stream *s = c->session;

	return s->subscriber.blocked;
}

static const struct transport http_stream = {
	.detach = detach,
	.free = free_session,
	.stop = end_for_stop,
	.writable = writable,
	.blocked = is_blocked,
};

void http_stream_open(struct conn *c, const struct request *r, struct http_stream *s,
                      const struct http_stream_format *format, struct attach *a)
{
	struct problem problem = { 0 };
	char job_id[ID_MAX + 1];

	s->conn = c;
	s->format = format;
	s->head = r->head;
	if (!subscribe_options_read(r, a, &problem) || !capacity_takes_stream(c, &problem)) {
		refuse_problem(s, &problem);
		free(s);
		return;
	}
	id_copy(job_id, r->params[0]);
	a->job_id = job_id;
	a->chunked = !r->http_1_0;
	a->identity = access_identity(c);
	a->uncounted = r->head;
	conn_expect_stream(c);
	c->transport = &http_stream;
	c->session = s;
	hub_attach(c->loop->hub, &s->subscriber, &stream_ops, a);
}
