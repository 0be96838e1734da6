#include "stream.h"

#include <stdlib.h>

#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "loop_private.h"
#include "opening.h"
#include "router.h"

#define RETRY_LEAST_MS 2000 /* each client gets its own, so that they do not come back all at once */
#define RETRY_SPREAD_MS 2001

struct stream {
	struct subscriber subscriber; /* first */
	struct conn *conn;
	bool named, head;
};

#define RESPONSE_HEAD                                                                                                  \
	"HTTP/1.1 200 OK\r\n"                                                                                          \
	"Date: %s\r\n"                                                                                                 \
	"Content-Type: text/event-stream; charset=utf-8\r\n"                                                           \
	"Cache-Control: no-store, no-transform\r\n"                                                                    \
	"X-Accel-Buffering: no\r\n"                                                                                    \
	"Connection: close\r\n"                                                                                        \
	"\r\n"

static struct stream *stream_of(struct subscriber *s)
{
	return (struct stream *)s;
}

static void add_retry(struct buf *out)
{
	buf_format(out, "retry: %u\n\n", RETRY_LEAST_MS + (unsigned)(random_u64() % RETRY_SPREAD_MS));
}

static void add_event_line(const struct stream *s, struct buf *out, const char *type)
{
	if (s->named)
		buf_format(out, "event: %s\n", type);
}

/* HEAD: the headers, then over. */
static void answer_head(struct conn *c)
{
	c->close_after = true;
	c->reply.len = 0;
	buf_reserve(&c->reply, LWS_PRE);
	c->reply.len = LWS_PRE;
	buf_format(&c->reply, RESPONSE_HEAD, http_date());
	conn_reply_ready(c);
}

static void refuse(struct conn *c, const struct opening *o)
{
	if (outcome_is_error(o->outcome))
		reply_refuse(c, o->outcome, "%s", o->detail);
	else
		reply_empty(c, OUTCOME_NO_CONTENT, ""); /* stops an EventSource for good */
}

static void begin(struct stream *s, const struct opening *o)
{
	struct conn *c = s->conn;
	struct buf out = { 0 };

	if (!o->again) {
		conn_become_stream(c);
		buf_format(&out, RESPONSE_HEAD, http_date());
		add_retry(&out);
	}
	add_event_line(s, &out, o->again ? "reset" : "connected");
	buf_text(&out, "id: ");
	cursor_add(&out, o->epoch, o->start);
	buf_text(&out, "\ndata: ");
	opening_encode(&out, c->loop, o);
	conn_widen(c, o->snapshot.len);
	hub_send(c->loop->hub, &s->subscriber, &out, o->result, o->snapshot,
		 o->snapshot.len ? SLICE("}\n\n") : SLICE("\n\n"));
}

static void stream_opened(struct subscriber *subscriber, const struct opening *o)
{
	struct stream *s = stream_of(subscriber);
	struct conn *c = s->conn;

	if (outcome_is_error(o->outcome) || (o->over && !o->again) || s->head) {
		hub_detach(c->loop->hub, subscriber);
		if (s->head && !outcome_is_error(o->outcome) && !o->over)
			answer_head(c);
		else
			refuse(c, o);
		return;
	}
	begin(s, o);
}

static enum sink stream_write(struct subscriber *s, const char *bytes, size_t len)
{
	return conn_write(stream_of(s)->conn, bytes, len);
}

static void write_message(struct stream *s, const char *event, struct buf *json)
{
	struct buf out = { 0 };

	if (event)
		buf_format(&out, "event: %s\n", event);
	buf_text(&out, "data: ");
	buf_slice(&out, buf_as_slice(json));
	buf_text(&out, "\n\n");
	conn_write(s->conn, out.ptr, out.len);
	buf_finish(&out);
	buf_finish(json);
}

static void stream_ended(struct subscriber *subscriber, const char *job_id, uint64_t seq, const char *status)
{
	struct stream *s = stream_of(subscriber);
	struct buf json = { 0 };

	opening_encode_end(&json, job_id, seq, status);
	write_message(s, s->named ? "end" : NULL, &json);
	conn_close(s->conn);
}

static void stream_heartbeat(struct subscriber *subscriber, uint64_t head)
{
	struct buf json = { 0 };

	opening_encode_heartbeat(&json, NULL, head);
	conn_widen(stream_of(subscriber)->conn, 0);
	write_message(stream_of(subscriber), "heartbeat", &json);
}

static void stream_stalled(struct subscriber *s)
{
	conn_kill(stream_of(s)->conn);
}

static const struct subscriber_ops stream_ops = {
	.opened = stream_opened,
	.write = stream_write,
	.ended = stream_ended,
	.heartbeat = stream_heartbeat,
	.stalled = stream_stalled,
};

void stream_say_goodbye(struct conn *c)
{
	struct buf out = { 0 };

	add_retry(&out);
	if (!lws_partial_buffered(c->wsi)) /* behind half an event it would be lost anyway */
		conn_write(c, out.ptr, out.len);
	buf_finish(&out);
	conn_close(c);
}

/* ?types=task_update,presence: only these; everything else that is not one of them is refused. */
static bool types_parse(const struct request *r, unsigned *types, struct problem *problem)
{
	struct slice list;

	*types = TYPE_BITS_ALL;
	if (!request_arg(r, "types", &list))
		return true;
	return hub_types_parse(list, types) ||
	       problem_set(problem, OUTCOME_BAD_REQUEST,
			   "types must be a list of task_update, job_update, deliverable, command, presence");
}

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
	if (!types_parse(r, &a.types, &problem) || !loop_takes_streams(c->loop, &problem)) {
		free(s);
		reply_problem(c, &problem, "");
		return;
	}
	a.framing = s->named ? FRAME_NAMED : FRAME_SSE;
	memcpy(job_id, r->params[0].ptr, r->params[0].len);
	conn_expect_stream(c);
	c->subscriber = &s->subscriber;
	hub_attach(c->loop->hub, &s->subscriber, &stream_ops, &a);
}
