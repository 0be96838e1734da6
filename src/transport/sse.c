#include "sse.h"

#include "joblight/base/xalloc.h"
#include "net/loop_private.h"
#include "first_message.h"
#include "http_stream.h"

struct stream {
	struct http_stream http; /* first member */
	bool named;
};

static void add_retry(struct buf *out, unsigned ms)
{
	buf_format(out, "retry: %u\n\n", ms);
}

static bool is_named(const struct http_stream *s)
{
	return ((const struct stream *)s)->named;
}

static void add_event_line(const struct http_stream *s, struct buf *out, const char *type)
{
	if (is_named(s))
		buf_format(out, "event: %s\n", type);
}

/* The id comes last, so a client that gets only a part of the message keeps its old position. */
static void add_first(const struct http_stream *s, const struct subscription_start *o,
                      struct first_message *m)
{
	if (!o->again)
		add_retry(&m->head, reconnect_delay_ms());
	add_event_line(s, &m->head, o->again ? "reset" : "connected");
	buf_text(&m->head, "data: ");
	first_message_encode(m, s->conn->loop, o);
	buf_text(&m->tail, "\nid: ");
	cursor_add(&m->tail, o->epoch, o->start);
	buf_text(&m->tail, "\n\n");
}

/*
 * A client with a type filter skips events without seeing their ids.  Its other messages carry the
 * position instead; otherwise it would always reconnect at an old one.
 */
static void end_message(const struct http_stream *s, const char *epoch, uint64_t seq,
                        struct buf *out)
{
	if (subscriber_filters(&s->subscriber)) {
		buf_text(out, "\nid: ");
		cursor_add(out, epoch, seq);
	}
	buf_text(out, "\n\n");
}

static void add_end(const struct http_stream *s, const struct subscription_end *e, struct buf *out)
{
	add_event_line(s, out, "end");
	buf_text(out, "data: ");
	end_encode(out, e, false);
	end_message(s, e->epoch, e->seq, out);
}

static void add_heartbeat(const struct http_stream *s, uint64_t head, struct buf *out)
{
	buf_text(out, "event: heartbeat\ndata: ");
	heartbeat_encode(out, NULL, head);
	end_message(s, subscriber_epoch(&s->subscriber), s->subscriber.cursor, out);
}

static void add_stop(const struct http_stream *s, struct buf *out)
{
	(void)s;
	add_retry(out, restart_delay_ms());
}

static const struct http_stream_format sse = {
	.headers = "Content-Type: " EVENT_STREAM "\r\n" EVENT_STREAM_HEADERS,
	.refuse = reply_stream_problem,
	.add_first = add_first,
	.add_heartbeat = add_heartbeat,
	.add_end = add_end,
	.add_stop = add_stop,
};

/* The header takes precedence, because an EventSource reconnects with the same URL. */
static struct position find_position(const struct request *r)
{
	struct slice text = r->headers[HEADER_LAST_EVENT_ID];

	if (!text.len && !request_arg(r, "since", &text) && !request_arg(r, "lastEventId", &text))
		text = (struct slice){ 0 };
	return position_parse(text);
}

void sse_open(struct conn *c, struct request *r)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	struct attach a = { .position = find_position(r) };
	struct slice named;

	s->named = request_arg(r, "named", &named) && slice_is(named, "1");
	a.framing = s->named ? FRAME_NAMED : FRAME_SSE;
	http_stream_open(c, r, &s->http, &sse, &a);
}
