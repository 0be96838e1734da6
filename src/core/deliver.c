#include "deliver.h"

#include "preamble.h"

static void write_out(struct hub *h, struct subscriber *s, struct slice bytes, uint64_t events)
{
	h->writes++;
	h->deliveries += events;
	if (s->ops->write(s, bytes.ptr, bytes.len) == SINK_BLOCKED)
		hub_block(h, s);
}

static void end(struct hub *h, struct subscriber *s)
{
	struct channel *c = s->channel;
	struct subscription_end e = {
		.job_id = c->job_id,
		.epoch = c->epoch,
		.seq = later(c->end_seq,
		             s->cursor), /* a read of the store may be ahead of the ring */
		.status = c->deleted ? "deleted" : job_status_text(c->status),
	};

	hub_detach(h, s);
	s->ops->ended(s, &e);
}

static void deliver_preamble(struct hub *h, struct subscriber *s)
{
	struct piece p = preamble_next(s, &h->scratch, h->limits->write_bytes);

	if (preamble_done(s->preamble))
		preamble_drop(s);
	if (p.bytes.len)
		write_out(h, s, p.bytes, p.events);
}

static bool wants(const struct subscriber *s, uint64_t seq)
{
	return s->types & TYPE_BIT(ring_type(s->channel->ring, seq));
}

static void skip_unwanted(struct subscriber *s)
{
	while (!subscriber_caught_up(s) && !wants(s, s->cursor + 1))
		s->cursor++;
}

/* Skips the events that a filtering subscriber does not want.  Returns the size of the wanted
 * events that follow; 0: there are none. */
static size_t skip_to_wanted(struct hub *h, struct subscriber *s)
{
	const struct ring *r = s->channel->ring;
	uint64_t last;

	skip_unwanted(s);
	for (last = s->cursor; last + 1 < ring_next(r) && wants(s, last + 1); last++)
		;
	size_t span = ring_span(r, (enum framing)s->framing, s->cursor, last);
	return span < h->limits->write_bytes ? span : h->limits->write_bytes;
}

/* Sends the ephemeral message, after all events. */
static bool deliver_ephemeral(struct hub *h, struct subscriber *s)
{
	const struct channel *c = s->channel;

	if (s->ephemeral == c->ephemeral_number)
		return false;
	s->ephemeral = c->ephemeral_number;
	if (!(s->types & TYPE_BIT(EVENT_PRESENCE)))
		return false;
	size_t at = wrap_begin(&h->scratch, 0);
	frame_add_ephemeral(&h->scratch, (enum framing)s->framing, EVENT_PRESENCE,
	                    buf_as_slice(&c->ephemeral));
	if (s->chunked)
		at = wrap_chunk(&h->scratch, at);
	write_out(h, s, (struct slice){ h->scratch.ptr + at, h->scratch.len - at }, 0);
	return true;
}

/* Events of the ring as one chunk, which is made once for all subscribers at the same position.
 * In a round of many watchers nearly all of them are. */
static struct slice ring_chunk(struct hub *h, const struct subscriber *s, uint64_t after,
                               struct slice frames)
{
	struct span *span = &h->spans[s->framing];
	const struct ring *ring = s->channel->ring;

	if (span->ring != ring || span->after != after || span->last != s->cursor) {
		size_t at = wrap_begin(&span->bytes, 0);
		buf_slice(&span->bytes, frames);
		span->from = wrap_chunk(&span->bytes, at);
		span->ring = ring;
		span->after = after;
		span->last = s->cursor;
	}
	return (struct slice){ span->bytes.ptr + span->from, span->bytes.len - span->from };
}

enum step { STEP_MORE, STEP_STOP, STEP_LAPPED };

static enum step deliver_ring(struct hub *h, struct subscriber *s)
{
	struct channel *c = s->channel;

	if ((c->deleted || c->ended) &&
	    (subscriber_caught_up(s) || (c->deleted && !ring_reaches(c->ring, s->cursor)))) {
		if (c->deleted || s->cursor >= c->end_seq)
			end(h, s);
		return STEP_STOP;
	}
	if (subscriber_caught_up(s))
		return deliver_ephemeral(h, s) ? STEP_MORE : STEP_STOP;
	if (!ring_reaches(c->ring, s->cursor))
		return STEP_LAPPED;
	size_t max = s->types == TYPE_BITS_ALL ? h->limits->write_bytes : skip_to_wanted(h, s);
	if (!max)
		return STEP_MORE;
	uint64_t before = s->cursor;
	struct slice frames = ring_frames(c->ring, (enum framing)s->framing, before, max,
	                                  &s->cursor);
	if (s->chunked && frames.len)
		frames = ring_chunk(h, s, before, frames);
	write_out(h, s, frames, s->cursor - before);
	return STEP_MORE;
}

static void deliver_poll(struct subscriber *s)
{
	if (!s->open)
		return;
	if (ring_reaches(s->channel->ring, s->cursor))
		skip_unwanted(s);
	if (!subscriber_caught_up(s) || subscriber_ended(s))
		s->ops->ready(s);
}

enum delivery deliver(struct hub *h, struct subscriber *s)
{
	enum step step = STEP_MORE;

	if (s->ops->ready) {
		deliver_poll(s);
		return DELIVERED;
	}
	while (step == STEP_MORE && s->channel && s->open && !s->blocked && !s->read) {
		if (s->preamble)
			deliver_preamble(h, s);
		else
			step = deliver_ring(h, s);
	}
	return step == STEP_LAPPED ? DELIVERY_LAPPED : DELIVERED;
}
