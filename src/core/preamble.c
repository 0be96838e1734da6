#include "preamble.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

enum { PART_HEAD, PART_SNAPSHOT, PART_TAIL, PARTS };

struct preamble {
	struct first_message message;
	struct slice parts[PARTS];
	unsigned part;   /* PARTS: the message is complete, or there is none */
	size_t offset;   /* in that part */
	size_t line_end; /* of the data line being sent, in the snapshot */
	bool begun;      /* some bytes of the message were sent */
	struct read_result *result;
	size_t event; /* the next one of result->events, after the message */
};

static void finish_message(struct first_message *m)
{
	buf_finish(&m->raw);
	buf_finish(&m->head);
	buf_finish(&m->tail);
}

void preamble_drop(struct subscriber *s)
{
	if (!s->preamble)
		return;
	finish_message(&s->preamble->message);
	read_result_release(s->preamble->result);
	free(s->preamble);
	s->preamble = NULL;
}

struct preamble *preamble_get(struct subscriber *s)
{
	if (!s->preamble) {
		s->preamble = xcalloc(1, sizeof(*s->preamble));
		s->preamble->part = PARTS;
	}
	return s->preamble;
}

void preamble_hold(struct preamble *o, struct read_result *result)
{
	if (!result || o->result == result)
		return;
	read_result_hold(result);
	read_result_release(o->result);
	o->result = result;
}

void preamble_send(struct preamble *o, struct first_message *m, struct read_result *result)
{
	finish_message(&o->message);
	o->message = *m;
	*m = (struct first_message){ 0 };
	preamble_hold(o, result);
	o->parts[PART_HEAD] = buf_as_slice(&o->message.head);
	o->parts[PART_SNAPSHOT] = o->message.snapshot;
	o->parts[PART_TAIL] = buf_as_slice(&o->message.tail);
	o->line_end = frame_line_end(o->message.snapshot, o->message.rows_at, 0,
	                             o->message.head.len);
	o->part = PART_HEAD;
	o->offset = 0;
	o->begun = false;
}

/* Appends the bytes of the part up to `part_end`, as far as the buffer may grow. */
static void add_bytes(struct preamble *o, struct buf *out, size_t part_end, size_t out_end)
{
	size_t left = part_end - o->offset, room = out_end > out->len ? out_end - out->len : 0;
	size_t take = left < room ? left : room;

	buf_add(out, o->parts[o->part].ptr + o->offset, take);
	o->offset += take;
}

/* Appends the snapshot in lines. */
static void add_lines(struct preamble *o, struct slice line, struct buf *out, size_t out_end)
{
	while (o->offset < o->message.snapshot.len && out->len < out_end) {
		if (o->offset == o->line_end) {
			buf_slice(out, line);
			o->line_end = frame_line_end(o->message.snapshot, o->message.rows_at,
			                             o->offset, 0);
		}
		add_bytes(o, out, o->line_end, out_end);
	}
}

static void add_message(struct subscriber *s, struct buf *out, size_t out_end)
{
	struct preamble *o = s->preamble;
	struct slice line = frame_line((enum framing)s->framing);

	while (o->part < PARTS) {
		if (o->part == PART_SNAPSHOT && line.len)
			add_lines(o, line, out, out_end);
		else
			add_bytes(o, out, o->parts[o->part].len, out_end);
		if (o->offset < o->parts[o->part].len)
			return;
		o->offset = 0;
		o->part++;
	}
}

/* Appends framed events from the store while they fit, and always one when nothing precedes it.
 * Returns how many. */
static uint64_t add_events(struct subscriber *s, struct buf *out, size_t at, size_t out_end)
{
	struct preamble *o = s->preamble;
	uint64_t added = 0;

	while (o->result && o->event < o->result->event_count) {
		const struct read_event *e = &o->result->events[o->event];
		if (out->len > at && out->len + e->len + FRAME_PREFIX_MAX > out_end)
			break;
		if (s->types & TYPE_BIT(e->type)) {
			frame_add(out, (enum framing)s->framing, o->result->epoch, e->seq, e->type,
			          read_event_json(o->result, e));
			added++;
		}
		s->cursor = e->seq;
		o->event++;
	}
	return added;
}

/* Puts the raw bytes before the first piece of the message, which begins at `from`. */
static size_t add_raw(struct buf *raw, struct buf *out, size_t from)
{
	size_t len = raw->len;

	if (len)
		memcpy(out->ptr + from - len, raw->ptr, len);
	buf_finish(raw);
	return from - len;
}

/*
 * Makes one write: a piece of the message, and events when it is complete.  On a WebSocket a piece
 * of the message is a whole frame, so that a control frame can follow it.  Events have frames of
 * their own.
 */
struct piece preamble_next(struct subscriber *s, struct buf *out, size_t max)
{
	struct preamble *o = s->preamble;
	size_t at = wrap_begin(out, o->message.raw.len), from = at;
	bool in_message = o->part < PARTS, first = !o->begun;

	add_message(s, out, at + max);
	o->begun = o->begun || in_message;
	if (in_message && frame_is_fragmented((enum framing)s->framing))
		from = wrap_fragment(out, at, first, o->part == PARTS);
	uint64_t events = o->part == PARTS ? add_events(s, out, at, at + max) : 0;
	if (s->chunked && out->len > at)
		from = wrap_chunk(out, at);
	from = add_raw(&o->message.raw, out, from);
	return (struct piece){ { out->ptr + from, out->len - from }, events };
}

bool preamble_in_message(const struct preamble *o)
{
	return o && o->begun && o->part < PARTS;
}

bool preamble_done(const struct preamble *o)
{
	return o->part == PARTS && (!o->result || o->event == o->result->event_count);
}
