#include <stdio.h>

#include "client.h"

#define AT(c) (c)->number, (unsigned long long)(c)->seen

static struct client *client_of(struct subscriber *s)
{
	return (struct client *)s;
}

/* Frames as their specifications say, made without frame.c. */

static void add_ws_header(struct buf *out, size_t len)
{
	buf_char(out, (char)0x81);
	if (len < 126) {
		buf_char(out, (char)len);
	} else if (len < 65536) {
		buf_format(out, "%c%c%c", 126, (int)(len >> 8), (int)(len & 255));
	} else {
		buf_format(out, "%c%c%c%c%c%c%c%c%c", 127, 0, 0, 0, 0, (int)(len >> 24 & 255), (int)(len >> 16 & 255),
			   (int)(len >> 8 & 255), (int)(len & 255));
	}
}

/* Up to the data; `len` bytes of JSON follow. */
static void add_front(const struct client *c, struct buf *out, const char *type, const char *epoch, uint64_t seq,
		      size_t len)
{
	if (c->framing == FRAME_WS) {
		add_ws_header(out, len);
		return;
	}
	if (c->framing == FRAME_NAMED)
		buf_format(out, "event: %s\n", type);
	buf_format(out, "id: %s.%llu\ndata: ", epoch, (unsigned long long)seq);
}

static const char *back(const struct client *c)
{
	return c->framing == FRAME_WS ? "" : "\n\n";
}

static void next_frame(const struct client *c, struct buf *out)
{
	uint64_t seq = c->seen + 1;

	out->len = 0;
	if (c->opening_due) {
		buf_slice(out, buf_as_slice(&c->opening));
		return;
	}
	promise(seq <= c->life->head, "client %u: something behind the last event, %llu: %.*s", AT(c), (int)c->wire.len,
		c->wire.ptr);
	const struct fact *f = life_fact(c->life, seq);
	add_front(c, out, event_type_text(f->type), c->life->epoch, seq, f->json_len);
	buf_add(out, f->json, f->json_len);
	buf_text(out, back(c));
}

/* Opening. */

static void send_opening(struct client *c, const struct opening *o)
{
	const char *type = o->again ? "reset" : "connected";
	struct buf json = { 0 }, head = { 0 };
	char tail[8];

	buf_format(&json, "{\"type\":\"%s\",\"resume\":\"%s\",\"job\":%s", type, resume_text(o->resume),
		   o->snapshot.len ? "" : "0");
	snprintf(tail, sizeof(tail), "}%s", back(c));
	add_front(c, &head, type, o->epoch, o->start, json.len + o->snapshot.len + 1);
	buf_slice(&head, buf_as_slice(&json));
	c->opening.len = 0;
	buf_slice(&c->opening, buf_as_slice(&head));
	buf_slice(&c->opening, o->snapshot);
	buf_text(&c->opening, tail);
	c->opening_due = true;
	hub_send(c->node->hub, &c->subscriber, &head, o->result, o->snapshot,
		 c->framing == FRAME_WS ? SLICE("}") : SLICE("}\n\n"));
	buf_finish(&json);
}

static void stream_opened(struct subscriber *s, const struct opening *o)
{
	struct client *c = client_of(s);
	struct life *l = client_check_opening(c, o);

	if (o->again)
		promise(!c->wire.len, "client %u: reset inside a frame", c->number);
	if (!l) {
		client_leave(c);
		return;
	}
	c->life = l;
	c->state = CLIENT_OPEN;
	c->start = c->seen = o->start;
	if (o->over || dice_chance(&c->world->dice, 2)) { /* 204, or HEAD: over before it begins */
		hub_detach(c->node->hub, s);
		c->finished = o->over && c->own;
		client_leave(c);
		return;
	}
	send_opening(c, o);
}

/* Bytes. */

/* Every frame is whole but the opening, which comes in pieces; and none is longer than allowed but one alone. */
static enum sink stream_write(struct subscriber *s, const char *bytes, size_t len)
{
	struct client *c = client_of(s);
	struct buf must = { 0 };
	size_t frames = 0;

	promise(c->state == CLIENT_OPEN && !c->blocked && len, "client %u: a write in the wrong state, at %llu", AT(c));
	buf_add(&c->wire, bytes, len);
	while (c->wire.len) {
		next_frame(c, &must);
		size_t n = c->wire.len < must.len ? c->wire.len : must.len;
		promise(!memcmp(c->wire.ptr, must.ptr, n),
			"client %u: the wrong bytes behind %llu\nare     %.*s\nmust be %.*s", AT(c), (int)n, c->wire.ptr,
			(int)must.len, must.ptr);
		if (n < must.len) {
			promise(c->opening_due, "client %u: half a frame behind %llu", AT(c));
			break;
		}
		frames += c->opening_due ? 0 : 1;
		c->seen += c->opening_due ? 0 : 1;
		c->opening_due = false;
		memmove(c->wire.ptr, c->wire.ptr + n, c->wire.len - n);
		c->wire.len -= n;
	}
	c->node->events += frames;
	promise(len <= c->world->limits.write_bytes || (frames == 1 && len == must.len),
		"client %u: %zu bytes at once", c->number, len);
	buf_finish(&must);
	c->blocked = dice_chance(&c->world->dice, c->blocks_percent);
	c->blocked_at = c->node->now;
	return c->blocked ? SINK_BLOCKED : SINK_OPEN;
}

static void stream_ended(struct subscriber *s, uint64_t seq, const char *status)
{
	struct client *c = client_of(s);
	const struct life *l = c->life;
	bool deleted = !strcmp(status, "deleted");

	promise(c->state == CLIENT_OPEN && !s->channel, "client %u: ended in the wrong state, at %llu", AT(c));
	promise(!c->opening_due && !c->wire.len && !c->blocked, "client %u: ended too early, at %llu", AT(c));
	promise(seq >= c->seen && seq <= l->head, "client %u: at %llu and told of %llu", AT(c), (unsigned long long)seq);
	if (deleted)
		promise(l->died, "client %u: at %llu of a job that is not deleted", AT(c));
	else
		promise(l->over && c->seen == l->head && !strcmp(status, job_status_text(life_fact(l, l->head)->status)),
			"client %u: ended with %s, at %llu of %llu", c->number, status, (unsigned long long)c->seen,
			(unsigned long long)l->head);
	trace("client %u is told the end: %s", c->number, status);
	if (dice_chance(&c->world->dice, 80)) { /* else its last bytes are lost with the connection */
		client_keep(c, c->seen);
		c->finished = !deleted;
	}
	client_leave(c);
}

static void stream_heartbeat(struct subscriber *s, uint64_t head)
{
	struct client *c = client_of(s);

	promise(c->state == CLIENT_OPEN && c->beats, "client %u: a heartbeat in the wrong state, at %llu", AT(c));
	promise(!c->opening_due && !c->wire.len && !c->blocked, "client %u: a heartbeat inside a frame, at %llu", AT(c));
	promise(head >= c->seen && head <= c->life->head, "client %u: at %llu, and the heart says %llu", AT(c),
		(unsigned long long)head);
}

static void stream_stalled(struct subscriber *s)
{
	struct client *c = client_of(s);

	promise(c->state == CLIENT_OPEN && c->blocked && !s->channel, "client %u: stalled in the wrong state, at %llu",
		AT(c));
	promise(c->node->now - c->blocked_at >= c->world->limits.stall_ms, "client %u: stalled too early, at %llu", AT(c));
	trace("client %u stalls", c->number);
	if (!c->opening_due)
		client_keep(c, c->seen);
	client_leave(c);
}

const struct subscriber_ops stream_client = { stream_opened, stream_write, NULL, stream_ended, stream_heartbeat,
					      stream_stalled };
const struct subscriber_ops silent_stream_client = { stream_opened, stream_write, NULL, stream_ended, NULL,
						     stream_stalled };
