#include <stdio.h>
#include <stdlib.h>

#include "client.h"

#define AT(c) (c)->number, (unsigned long long)(c)->seen

/* Frames as their specifications say, made without frame.c. */

static void add_ws_header(struct buf *out, size_t len)
{
	buf_char(out, (char)0x81);
	if (len < 126) {
		buf_char(out, (char)len);
	} else if (len < 65536) {
		buf_format(out, "%c%c%c", 126, (int)(len >> 8), (int)(len & 255));
	} else {
		buf_format(out, "%c%c%c%c%c%c%c%c%c", 127, 0, 0, 0, 0, (int)(len >> 24 & 255),
		           (int)(len >> 16 & 255), (int)(len >> 8 & 255), (int)(len & 255));
	}
}

/* Up to the data; `len` bytes of JSON follow. */
static void add_front(const struct client *c, struct buf *out, const char *type, const char *epoch,
                      uint64_t seq, size_t len)
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

static uint64_t skip_to_wanted(const struct client *c)
{
	uint64_t seq = c->seen + 1;

	while (seq <= c->life->head && !client_wants(c, seq))
		seq++;
	return seq;
}

static void add_ephemeral(const struct client *c, struct buf *out)
{
	struct buf json = { 0 };

	world_ephemeral_json(c->job_id, c->passed, &json);
	if (c->framing == FRAME_WS)
		add_ws_header(out, json.len);
	else
		buf_text(out, c->framing == FRAME_NAMED ? "event: presence\ndata: " : "data: ");
	buf_slice(out, buf_as_slice(&json));
	buf_text(out, back(c));
	buf_finish(&json);
}

static bool wire_starts_with(const struct client *c, const struct buf *frame)
{
	return c->wire.len >= frame->len && !memcmp(c->wire.ptr, frame->ptr, frame->len);
}

enum frame_kind { OPENING, EVENT, UNLOGGED };

/* What must come now.  A ephemeral message may come between any two frames, and replaces the one
 * before. */
static enum frame_kind next_frame(const struct client *c, struct buf *out)
{
	uint64_t seq = skip_to_wanted(c);

	out->len = 0;
	if (c->opening_due) {
		buf_slice(out, buf_as_slice(&c->opening));
		return OPENING;
	}
	if (c->passed) {
		add_ephemeral(c, out);
		if (wire_starts_with(c, out))
			return UNLOGGED;
		out->len = 0;
	}
	promise(seq <= c->life->head, "client %u: something behind the last event, %llu: %.*s",
	        AT(c), (int)c->wire.len, c->wire.ptr);
	const struct fact *f = life_fact(c->life, seq);
	add_front(c, out, event_type_text(f->type), c->life->epoch, seq, f->json_len);
	buf_add(out, f->json, f->json_len);
	buf_text(out, back(c));
	return EVENT;
}

/* Opening. */

static void send_opening(struct client *c, const struct subscription_start *o)
{
	const char *type = o->again ? "reset" : "connected";
	struct first_message m = { .snapshot = o->snapshot, .rows_at = o->rows_at };

	if (c->framing != FRAME_WS)
		buf_format(&m.head, "event: %s\ndata: ", type);
	buf_format(&m.head, "{\"type\":\"%s\",\"resume\":\"%s\",\"job\":%s", type,
	           resume_text(o->resume), o->snapshot.len ? "" : "0");
	buf_text(&m.tail, "}");
	if (c->framing != FRAME_WS)
		buf_format(&m.tail, "\nid: %s.%llu\n\n", o->epoch, (unsigned long long)o->start);
	c->opening.len = 0;
	buf_slice(&c->opening, buf_as_slice(&m.head));
	buf_slice(&c->opening, o->snapshot);
	buf_slice(&c->opening, buf_as_slice(&m.tail));
	c->opening_due = true;
	c->opening_begun = false;
	hub_send(&c->watch->subscriber, &m, o->result);
}

static void stream_opened(struct subscriber *s, const struct subscription_start *o)
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
	c->passed = 0; /* the opening tells what it told */
	if (o->finished ||
	    dice_chance(&c->world->dice, 2)) { /* 204, or HEAD: over before it begins */
		hub_detach(c->node->hub, s);
		c->finished = o->finished && c->own;
		client_leave(c);
		return;
	}
	send_opening(c, o);
}

/* Bytes. */

/* The frame in front of the wire; false: it is not whole yet, which only an opening may be. */
static bool take_frame(struct client *c, enum frame_kind *kind, size_t *len)
{
	struct buf must = { 0 };

	*kind = next_frame(c, &must);
	*len = c->wire.len < must.len ? c->wire.len : must.len;
	promise(!memcmp(c->wire.ptr, must.ptr, *len),
	        "client %u: the wrong bytes behind %llu\nare     %.*s\nmust be %.*s", AT(c),
	        (int)*len, c->wire.ptr, (int)must.len, must.ptr);
	bool whole = *len == must.len;
	promise(whole || *kind == OPENING, "client %u: half a frame behind %llu", AT(c));
	buf_finish(&must);
	if (!whole)
		return false;
	if (*kind == EVENT)
		c->seen = skip_to_wanted(c);
	else if (*kind == OPENING)
		c->opening_due = false;
	else
		c->passed = 0;
	memmove(c->wire.ptr, c->wire.ptr + *len, c->wire.len - *len);
	c->wire.len -= *len;
	return true;
}

static void maybe_block(struct client *c)
{
	c->blocked = dice_chance(&c->world->dice, c->blocks_percent);
	c->blocked_at = c->node->now;
}

/* Exactly one chunk; returns its payload. */
static struct slice unchunk(const struct client *c, struct slice bytes)
{
	char *end;
	size_t size = strtoull(bytes.ptr, &end, 16);
	size_t head = (size_t)(end - bytes.ptr) + 2;

	promise(size && bytes.len == head + size + 2 && !memcmp(end, "\r\n", 2) &&
	            !memcmp(bytes.ptr + head + size, "\r\n", 2),
	        "client %u: not one chunk: %.*s", c->number, (int)bytes.len, bytes.ptr);
	return (struct slice){ bytes.ptr + head, size };
}

/* A fragment of the opening, which is a whole frame; returns its payload with what stands behind
 * it. */
static struct slice unfragment(struct client *c, struct slice bytes)
{
	struct buf header = { 0 };
	size_t left = c->opening.len - c->wire.len, payload, head;
	const unsigned char *at = (const unsigned char *)bytes.ptr;

	payload = (at[1] & 127) < 126 ? at[1] & 127 : (size_t)(at[2] << 8 | at[3]);
	add_ws_header(&header, payload);
	header.ptr[0] = (char)((c->opening_begun ? 0 : 1) | (payload == left ? 0x80 : 0));
	head = header.len;
	promise(payload <= left && !memcmp(header.ptr, bytes.ptr, head),
	        "client %u: a bad fragment, %zu of %zu", c->number, payload, left);
	c->opening_begun = true;
	buf_finish(&header);
	return (struct slice){ bytes.ptr + head, bytes.len - head };
}

/* A write is no longer than allowed, but for one frame that is. */
static enum sink stream_write(struct subscriber *s, const char *ptr, size_t len)
{
	struct client *c = client_of(s);
	struct slice bytes = { ptr, len };
	size_t frame_len = 0;
	enum frame_kind kind = OPENING;

	promise(c->state == CLIENT_OPEN && !c->blocked && len,
	        "client %u: a write in the wrong state, at %llu", AT(c));
	if (c->chunked)
		bytes = unchunk(c, bytes);
	if (c->framing == FRAME_WS && c->opening_due)
		bytes = unfragment(c, bytes);
	buf_slice(&c->wire, bytes);
	while (c->wire.len && take_frame(c, &kind, &frame_len))
		c->node->events += kind == EVENT;
	promise(subscriber_in_message(s) == c->opening_due, "client %u: the hub forgot its message",
	        c->number);
	promise(bytes.len <= c->world->limits.write_bytes ||
	            (kind != OPENING && bytes.len == frame_len),
	        "client %u: %zu bytes at once, at %llu", c->number, len,
	        (unsigned long long)c->seen);
	maybe_block(c);
	if (dice_chance(&c->world->dice, 1)) /* the write finds that the connection is gone */
		client_cut(c);
	return c->blocked ? SINK_BLOCKED : SINK_OPEN;
}

static void stream_ended(struct subscriber *s, const struct subscription_end *e)
{
	struct client *c = client_of(s);
	const struct life *l = c->life;
	const char *status = e->status;
	uint64_t seq = e->seq;
	bool deleted = !strcmp(status, "deleted");

	promise(!strcmp(e->job_id, c->job_id) && !strcmp(e->epoch, l->epoch),
	        "client %u: told of the end of another job", c->number);
	promise(c->state == CLIENT_OPEN && !s->channel,
	        "client %u: ended in the wrong state, at %llu", AT(c));
	promise(!c->opening_due && !c->wire.len && !c->blocked,
	        "client %u: ended too early, at %llu", AT(c));
	promise(seq >= c->seen && seq <= l->head, "client %u: at %llu and told of %llu", AT(c),
	        (unsigned long long)seq);
	if (deleted)
		promise(l->died, "client %u: at %llu of a job that is not deleted", AT(c));
	else
		promise(l->over && skip_to_wanted(c) > l->head &&
		            !strcmp(status, job_status_text(life_fact(l, l->head)->status)),
		        "client %u: ended with %s, at %llu of %llu", c->number, status,
		        (unsigned long long)c->seen, (unsigned long long)l->head);
	trace("client %u is told the end: %s", c->number, status);
	if (dice_chance(&c->world->dice,
	                80)) { /* else its last bytes are lost with the connection */
		client_keep(c, deleted ? c->seen : seq);
		c->finished = !deleted;
	}
	client_leave(c);
}

/* A heartbeat of a filtering client moves it on, over events it did not want. */
static void move_on(struct client *c, const struct subscriber *s)
{
	if (!subscriber_filters(s))
		return;
	promise(!strcmp(subscriber_epoch(s), c->life->epoch) && s->cursor >= c->seen &&
	            skip_to_wanted(c) > s->cursor,
	        "client %u: at %llu, and a heartbeat moves it to %llu", AT(c),
	        (unsigned long long)s->cursor);
	c->seen = s->cursor;
}

static void stream_heartbeat(struct subscriber *s, uint64_t head)
{
	struct client *c = client_of(s);

	promise(c->state == CLIENT_OPEN && c->beats,
	        "client %u: a heartbeat in the wrong state, at %llu", AT(c));
	promise(!c->opening_due && !c->wire.len && !c->blocked,
	        "client %u: a heartbeat inside a frame, at %llu", AT(c));
	promise(head >= c->seen && head <= c->life->head,
	        "client %u: at %llu, and the heart says %llu", AT(c), (unsigned long long)head);
	move_on(c, s);
	maybe_block(c);
	if (dice_chance(&c->world->dice, 3))
		client_cut(c);
	else if (c->blocked)
		hub_block(c->node->hub, s);
}

static void stream_stalled(struct subscriber *s)
{
	struct client *c = client_of(s);

	promise(c->state == CLIENT_OPEN && c->blocked && !s->channel,
	        "client %u: stalled in the wrong state, at %llu", AT(c));
	promise(c->node->now - c->blocked_at >= c->world->limits.write_stall_ms,
	        "client %u: stalled too early, at %llu", AT(c));
	trace("client %u stalls", c->number);
	if (!c->opening_due)
		client_keep(c, c->seen);
	client_leave(c);
}

const struct subscriber_ops stream_client = {
	.opened = stream_opened,
	.write = stream_write,
	.ended = stream_ended,
	.heartbeat = stream_heartbeat,
	.write_stalled = stream_stalled,
};
const struct subscriber_ops silent_stream_client = {
	.opened = stream_opened,
	.write = stream_write,
	.ended = stream_ended,
	.write_stalled = stream_stalled,
};
