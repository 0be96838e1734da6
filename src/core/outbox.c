#include "outbox.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

struct outbox {
	struct buf head;
	struct slice parts[3];
	size_t part_count, part, offset;
	struct read_result *result;
	size_t event; /* the next one of result->events, after the parts */
};

void outbox_drop(struct subscriber *s)
{
	if (!s->outbox)
		return;
	buf_finish(&s->outbox->head);
	read_result_release(s->outbox->result);
	free(s->outbox);
	s->outbox = NULL;
}

struct outbox *outbox_get(struct subscriber *s)
{
	if (!s->outbox)
		s->outbox = xcalloc(1, sizeof(*s->outbox));
	return s->outbox;
}

void outbox_hold(struct outbox *o, struct read_result *result)
{
	if (!result || o->result == result)
		return;
	read_result_hold(result);
	read_result_release(o->result);
	o->result = result;
}

void outbox_send(struct outbox *o, struct buf *head, struct read_result *result, struct slice middle, struct slice tail)
{
	buf_finish(&o->head);
	o->head = *head;
	*head = (struct buf){ 0 };
	outbox_hold(o, result);
	o->parts[0] = buf_as_slice(&o->head);
	o->parts[1] = middle;
	o->parts[2] = tail;
	o->part_count = 3;
	o->part = o->offset = 0;
}

static bool outbox_add_part(struct outbox *o, struct buf *out, size_t most)
{
	struct slice part = o->parts[o->part];
	size_t left = part.len - o->offset, room = most - out->len, take = left < room ? left : room;

	buf_add(out, part.ptr + o->offset, take);
	o->offset += take;
	if (o->offset < part.len)
		return false;
	o->offset = 0;
	o->part++;
	return true;
}

/* Whole events from the store, framed, while they fit; one always does when nothing else is in front.  How many. */
static uint64_t outbox_add_events(struct subscriber *s, struct buf *out, size_t most)
{
	struct outbox *o = s->outbox;
	uint64_t added = 0;

	while (o->result && o->event < o->result->event_count) {
		const struct read_event *e = &o->result->events[o->event];
		if (out->len && out->len + e->len + FRAME_PREFIX_MAX > most)
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

uint64_t outbox_fill(struct subscriber *s, struct buf *out, size_t most)
{
	struct outbox *o = s->outbox;

	out->len = 0;
	while (o->part < o->part_count)
		if (!outbox_add_part(o, out, most))
			return 0;
	return outbox_add_events(s, out, most);
}

bool outbox_done(const struct outbox *o)
{
	return o->part == o->part_count && (!o->result || o->event == o->result->event_count);
}
