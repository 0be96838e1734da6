#include "sse.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "net/capacity.h"
#include "net/connection_flow.h"
#include "net/loop_private.h"
#include "net/transport.h"
#include "first_message.h"
#include "wishes.h"

struct stream {
	struct subscriber subscriber; /* first */
	struct conn *conn;
	bool named, head;
};

static struct stream *stream_of(struct subscriber *s)
{
	return (struct stream *)s;
}

static void add_retry(struct buf *out)
{
	buf_format(out, "retry: %u\n\n", reconnect_delay_ms());
}

static void add_event_line(const struct stream *s, struct buf *out, const char *type)
{
	if (s->named)
		buf_format(out, "event: %s\n", type);
}

/* HTTP/1.0 knows no chunks: there the stream ends with the connection. */
static void add_response_head(struct buf *out, bool chunked)
{
	buf_format(out, "HTTP/1.1 200 OK\r\nDate: %s\r\n", http_date());
	buf_text(out, "Content-Type: " EVENT_STREAM "\r\n" EVENT_STREAM_HEADERS);
	buf_text(out, chunked ? "Transfer-Encoding: chunked\r\n" : "");
	buf_text(out, "Connection: close\r\n\r\n");
}

/* HEAD: the headers, then over. */
static void answer_head(struct conn *c)
{
	struct buf head = { 0 };

	c->close_after = true;
	add_response_head(&head, !c->request->http_1_0);
	reply_head_only(c, &head);
}

/* Refused for load, an EventSource gets an event, because after a 503 it would never come back. */
static void refuse_with_event(struct conn *c, enum outcome o)
{
	struct buf body = { 0 };

	refusal_encode(&body, o, refusals_wait_ms(&c->loop->refusals, loop_now(c->loop)));
	c->loop->counters.refused++;
	c->close_after = true;
	reply_bytes(c, 200, "OK", EVENT_STREAM, EVENT_STREAM_HEADERS, buf_as_slice(&body));
	buf_finish(&body);
}

static void refuse_problem(struct conn *c, const struct problem *p)
{
	const struct request *r = c->request;

	if (!r->head && refusal_is_event(r->headers[HEADER_ACCEPT], p->outcome))
		refuse_with_event(c, p->outcome);
	else
		reply_problem(c, p, "");
}

static void refuse(struct conn *c, const struct subscription_start *o)
{
	struct problem p = { .outcome = o->outcome };

	snprintf(p.detail, sizeof(p.detail), "%s", o->detail ? o->detail : "");
	if (outcome_is_error(o->outcome))
		refuse_problem(c, &p);
	else
		reply_empty(c, OUTCOME_NO_CONTENT, ""); /* stops an EventSource for good */
}

/* The id stands last: a message that is cut leaves the reader at its old position. */
static void begin(struct stream *s, const struct subscription_start *o)
{
	struct conn *c = s->conn;
	struct first_message m = { .snapshot = o->snapshot, .rows_at = o->rows_at };

	if (!o->again) {
		conn_become_stream(c);
		add_response_head(&m.raw, s->subscriber.chunked);
		add_retry(&m.head);
	}
	add_event_line(s, &m.head, o->again ? "reset" : "connected");
	buf_text(&m.head, "data: ");
	first_message_encode(&m.head, c->loop, o);
	buf_text(&m.tail, o->snapshot.len ? "}\nid: " : "\nid: ");
	cursor_add(&m.tail, o->epoch, o->start);
	buf_text(&m.tail, "\n\n");
	conn_widen(c, o->snapshot.len);
	hub_send(c->loop->hub, &s->subscriber, &m, o->result);
}

/* The read was under way when the server was told to stop: a stream that began now would get no
 * goodbye. */
static void refuse_stopping(struct conn *c)
{
	struct problem p = { 0 };

	capacity_takes_stream(c, &p);
	refuse_problem(c, &p);
	problem_finish(&p);
}

static void stream_opened(struct subscriber *subscriber, const struct subscription_start *o)
{
	struct stream *s = stream_of(subscriber);
	struct conn *c = s->conn;

	if (outcome_is_error(o->outcome) || (o->finished && !o->again) || s->head) {
		hub_detach(c->loop->hub, subscriber);
		if (s->head && !outcome_is_error(o->outcome) && !o->finished)
			answer_head(c);
		else
			refuse(c, o);
		return;
	}
	if (c->loop->stopping) {
		hub_detach(c->loop->hub, subscriber);
		refuse_stopping(c);
		return;
	}
	begin(s, o);
}

static enum sink stream_write(struct subscriber *s, const char *bytes, size_t len)
{
	return conn_write(stream_of(s)->conn, bytes, len);
}

/* One write: a chunk where the stream is chunked, and the last one when it ends here. */
static enum sink write_bytes(struct stream *s, struct buf *out, size_t at, bool last)
{
	if (s->subscriber.chunked) {
		at = wrap_chunk(out, at);
		buf_text(out, last ? LAST_CHUNK : "");
	}
	enum sink sink = conn_write(s->conn, out->ptr + at, out->len - at);
	buf_finish(out);
	return sink;
}

/*
 * A filtering reader has passed over events that had an id, and it never saw them: what it gets
 * instead carries the position, or it would come back below it for ever.
 */
static enum sink write_message(struct stream *s, const char *event, struct buf *json,
                               const char *epoch, uint64_t seq, bool last)
{
	struct buf out = { 0 };
	size_t at = wrap_begin(&out, 0);

	if (event)
		buf_format(&out, "event: %s\n", event);
	buf_text(&out, "data: ");
	buf_slice(&out, buf_as_slice(json));
	if (subscriber_filters(&s->subscriber)) {
		buf_text(&out, "\nid: ");
		cursor_add(&out, epoch, seq);
	}
	buf_text(&out, "\n\n");
	buf_finish(json);
	return write_bytes(s, &out, at, last);
}

static void stream_ended(struct subscriber *subscriber, const struct subscription_end *e)
{
	struct stream *s = stream_of(subscriber);
	struct buf json = { 0 };

	end_encode(&json, e, false);
	write_message(s, s->named ? "end" : NULL, &json, e->epoch, e->seq, true);
	conn_close(s->conn);
}

static void stream_heartbeat(struct subscriber *subscriber, uint64_t head)
{
	struct stream *s = stream_of(subscriber);
	struct buf json = { 0 };

	heartbeat_encode(&json, NULL, head, NULL);
	conn_widen(s->conn, 0);
	if (write_message(s, "heartbeat", &json, subscriber_epoch(subscriber), subscriber->cursor,
	                  false) == SINK_BLOCKED)
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
 * Between two messages only, and then as the end of the stream.  Within one there is nothing to
 * say: the stream is cut, and its reader comes back at its old position.
 */
static void say_goodbye(struct conn *c)
{
	struct stream *s = c->session;
	struct buf out = { 0 };
	size_t at;

	if (c->state != CONN_STREAM)
		return; /* it learns of the stop when it opens */
	at = wrap_begin(&out, 0);
	add_retry(&out);
	if (subscriber_in_message(&s->subscriber))
		buf_finish(&out);
	else
		write_bytes(s, &out, at, true);
	conn_close(c);
}

static void detach(struct conn *c)
{
	struct stream *s = c->session;

	hub_detach(c->loop->hub, &s->subscriber);
}

static void free_session(struct conn *c)
{
	free(c->session);
}

static void writable(struct conn *c)
{
	struct stream *s = c->session;

	hub_writable(c->loop->hub, &s->subscriber);
}

static bool is_blocked(const struct conn *c)
{
	const struct stream *s = c->session;

	return s->subscriber.blocked;
}

static const struct transport sse = {
	.detach = detach,
	.free = free_session,
	.stop = say_goodbye,
	.writable = writable,
	.blocked = is_blocked,
};

/* The header wins: on a native reconnect the URL still carries the old query. */
static struct position find_position(const struct request *r)
{
	struct slice text = r->headers[HEADER_LAST_EVENT_ID];

	if (!text.len && !request_arg(r, "since", &text) && !request_arg(r, "lastEventId", &text))
		text = (struct slice){ 0 };
	return position_parse(text);
}

void stream_open(struct conn *c, struct request *r)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	struct slice named;
	struct problem problem = { 0 };
	char job_id[ID_MAX + 1] = "";
	struct attach a = { .job_id = job_id, .position = find_position(r) };

	s->conn = c;
	s->head = r->head;
	s->named = request_arg(r, "named", &named) && slice_is(named, "1");
	if (!wishes_read(r, &a, &problem) || !capacity_takes_stream(c, &problem)) {
		free(s);
		refuse_problem(c, &problem);
		return;
	}
	a.framing = s->named ? FRAME_NAMED : FRAME_SSE;
	a.chunked = !r->http_1_0;
	memcpy(job_id, r->params[0].ptr, r->params[0].len);
	conn_expect_stream(c);
	c->transport = &sse;
	c->session = s;
	hub_attach(c->loop->hub, &s->subscriber, &stream_ops, &a);
}
