#include "joblight/core/hub.h"

#include <assert.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "channel.h"
#include "outbox.h"

#define RETRY_MS 250 /* a refill that failed is asked for again after this */
#define POLL_BYTES                                                                                 \
	(1024 * 1024) /* a poll asks once for all it may have, a stream takes it in steps */

/* A question asked for one subscriber; it outlives the subscriber's patience. */
struct hub_read {
	struct read_request request; /* first: done() gets it back */
	struct hub *hub;
	struct subscriber *subscriber; /* NULL: it has gone */
	bool again;                    /* a refill, not the beginning */
	bool informed;                 /* the channel's epoch was known before it was asked */
};

static void pump(struct hub *h, struct subscriber *s);
static void refill_lost(struct hub *h, struct subscriber *s);

struct hub *hub_create(const struct limits *limits, const struct hub_ops *ops, void *context)
{
	struct hub *h = xcalloc(1, sizeof(*h));

	h->limits = limits;
	h->ops = ops;
	h->context = context;
	h->budget.most = limits->rings_bytes;
	h->pace_ms = limits->pace_ms;
	h->audience = audience_create();
	list_init(&h->dirty);
	list_init(&h->paced);
	list_init(&h->counts);
	list_init(&h->idle);
	for (unsigned i = 0; i <= HEARTBEAT_SECONDS_MAX; i++)
		list_init(&h->beats[i]);
	list_init(&h->stalls);
	list_init(&h->retries);
	return h;
}

void hub_free(struct hub *h)
{
	struct channel *c, *next;

	if (!h)
		return;
	HASH_ITER(hh, h->channels, c, next)
		channel_drop(h, c);
	while (!list_empty(&h->idle)) /* the retired ones */
		channel_drop(h, container_of(h->idle.next, struct channel, idle_link));
	audience_free(h->audience);
	buf_finish(&h->scratch);
	for (int f = 0; f < FRAMING_COUNT; f++)
		buf_finish(&h->spans[f].bytes);
	free(h);
}

/* Channels. */

unsigned hub_watchers(const struct hub *h, const char *job_id)
{
	const struct channel *c = channel_find(h, job_id);

	return (c ? c->watchers : 0) + audience_total(h->audience, job_id);
}

void hub_watchers_elsewhere(struct hub *h, const char *job_id, unsigned who, unsigned count)
{
	audience_set(h->audience, job_id, who, count);
}

void hub_set_pace(struct hub *h, uint64_t pace_ms)
{
	h->pace_ms = pace_ms;
}

uint64_t hub_round_due(const struct hub *h)
{
	if (list_empty(&h->paced))
		return UINT64_MAX;
	return container_of(h->paced.next, struct channel, dirty_link)->paced_until;
}

/* Subscribers. */

void hub_send(struct hub *h, struct subscriber *s, struct first_message *m,
              struct read_result *result)
{
	(void)h;
	outbox_send(outbox_get(s), m, result);
}

bool subscriber_in_message(const struct subscriber *s)
{
	return outbox_in_message(s->outbox);
}

static void detach(struct hub *h, struct subscriber *s)
{
	if (!s->channel)
		return;
	channel_leave(h, s);
	if (s->read) {
		s->read->subscriber = NULL;
		atomic_store(&s->read->request.gone, true);
	}
	s->read = NULL;
	outbox_drop(s);
	list_remove(&s->beat);
	list_remove(&s->stall);
	s->open = s->blocked = false;
}

void hub_detach(struct hub *h, struct subscriber *s)
{
	detach(h, s);
}

static bool is_due(const struct hub *h, uint32_t when)
{
	return (int32_t)(when - (uint32_t)h->now) <= 0;
}

static uint64_t heartbeat_ms(const struct hub *h, const struct subscriber *s)
{
	return s->heartbeat_s ? s->heartbeat_s * UINT64_C(1000) : h->limits->heartbeat_ms;
}

static void schedule_beat(struct hub *h, struct subscriber *s)
{
	s->beat_due = (uint32_t)(h->now + heartbeat_ms(h, s));
	list_move(&h->beats[s->heartbeat_s], &s->beat);
}

void hub_block(struct hub *h, struct subscriber *s)
{
	if (!s->channel)
		return;
	s->blocked = true;
	s->stall_due = (uint32_t)(h->now + h->limits->stall_ms);
	list_move(&h->stalls, &s->stall);
}

static void write_out(struct hub *h, struct subscriber *s, struct slice bytes, uint64_t events)
{
	h->stats.writes++;
	h->stats.deliveries += events;
	if (s->ops->write(s, bytes.ptr, bytes.len) == SINK_BLOCKED)
		hub_block(h, s);
}

static void end(struct hub *h, struct subscriber *s)
{
	struct channel *c = s->channel;
	struct ending e = {
		.job_id = c->job_id,
		.epoch = c->epoch,
		.seq = later(c->end_seq,
		             s->cursor), /* the store may have been read ahead of the ring */
		.status = c->deleted ? "deleted" : job_status_text(c->status),
	};

	detach(h, s);
	s->ops->ended(s, &e);
}

/* Asking the store. */

static void read_done(struct read_request *request);

static void fail(struct hub *h, struct subscriber *s, enum outcome outcome, const char *detail,
                 bool deleted)
{
	struct opening o = { .outcome = outcome,
		             .detail = detail,
		             .deleted = deleted,
		             .job_id = s->channel->job_id };

	detach(h, s);
	s->ops->opened(s, &o);
}

/* A subscriber that waits for a refill is not blocked, so its place among the stalled is free. */
static void retry_soon(struct hub *h, struct subscriber *s)
{
	if (s->blocked)
		return; /* hub_writable() asks again */
	s->stall_due = (uint32_t)(h->now + RETRY_MS);
	list_move(&h->retries, &s->stall);
}

static void ask(struct hub *h, struct subscriber *s, const struct position *p, size_t limit,
                bool again)
{
	struct hub_read *r = xcalloc(1, sizeof(*r));

	assert(s->channel);
	r->request.query = (struct read_query){
		.kind = READ_RESUME,
		.position = *p,
		.limit = limit ? limit : h->limits->ring_events,
		.bytes = limit ? POLL_BYTES : h->limits->read_bytes,
	};
	memcpy(r->request.query.job_id, s->channel->job_id, sizeof(r->request.query.job_id));
	r->request.asker = s->asker;
	r->request.done = read_done;
	atomic_init(&r->request.gone, false);
	r->hub = h;
	r->subscriber = s;
	r->again = again;
	r->informed = s->channel->ring != NULL;
	s->read = r;
	if (h->ops->read(h->context, &r->request))
		return;
	s->read = NULL;
	free(r);
	if (again)
		retry_soon(h, s);
	else
		fail(h, s, OUTCOME_OVERLOADED,
		     "too many readers are waiting for the store; come back in a moment", false);
}

static void refill(struct hub *h, struct subscriber *s)
{
	struct position p = { .kind = POSITION_CURSOR, .seq = s->cursor };

	memcpy(p.epoch, s->channel->epoch, sizeof(p.epoch));
	h->stats.refills++;
	ask(h, s, &p, 0, true);
}

/* Opening. */

static void start_open(struct hub *h, struct subscriber *s, struct opening *o)
{
	struct channel *c = s->channel;

	s->cursor = o->start;
	s->passing = c->passing_number; /* the opening tells what it told */
	s->open = true;
	o->job_id = c->job_id;
	o->title = c->title;
	o->epoch = c->epoch;
	o->status = c->status;
	o->watchers = hub_watchers(h, c->job_id);
	if (!s->ops->ready && o->watchers != (c->passing_number ? c->passing_watchers : 1))
		c->passing_outdated = true;
	o->heartbeat_ms = heartbeat_ms(h, s);
	o->over = c->ended && o->resume == RESUME_EXACT && o->start >= c->end_seq;
	if (!s->ops->ready && !o->again)
		schedule_beat(h, s);
	s->ops->opened(s, o);
	if (s->channel)
		pump(h, s);
}

static void open_from_ring(struct hub *h, struct subscriber *s, const struct position *p)
{
	struct opening o = { .resume = RESUME_EXACT,
		             .start = p->seq,
		             .head = channel_head(s->channel) };

	start_open(h, s, &o);
}

static void open_from_read(struct hub *h, struct subscriber *s, struct read_result *r, bool again)
{
	struct opening o = {
		.resume = r->resume,
		.reason = r->reason,
		.again = again,
		.start = r->start,
		.head = later(r->head, channel_head(s->channel)),
		.result = r,
	};

	if (r->resume != RESUME_EXACT) {
		o.snapshot = read_result_json(r);
		o.rows_at = r->snapshot ? r->snapshot->rows_at : 0;
	}
	if (again)
		h->stats.resets++;
	if (r->event_count)
		outbox_hold(outbox_get(s), r);
	start_open(h, s, &o);
}

/* The same question again, on the channel of the job that has the name now. */
static void attach_again(struct hub *h, struct subscriber *s, const struct read_query *q)
{
	struct attach a = {
		.job_id = q->job_id,
		.position = q->position,
		.framing = (enum framing)s->framing,
		.types = s->types,
		.limit = q->limit,
		.asker = s->asker,
		.chunked = s->chunked,
		.blocked = s->blocked,
		.heartbeat_s = s->heartbeat_s,
		.tabs = s->tabs,
	};

	detach(h, s);
	hub_attach(h, s, s->ops, &a);
}

/* A refill came back empty-handed: the stream of a deleted job ends, any other asks again soon. */
static void refill_failed(struct hub *h, struct subscriber *s)
{
	if (s->channel->deleted)
		pump(h, s);
	else
		retry_soon(h, s);
}

/*
 * The answer is about another job of this name than the channel.  When the question came after the
 * channel's epoch, so does the answer: the job was deleted and made again, and the read was faster
 * than the news of it. Otherwise either of them may be the older, and the question is asked once
 * more.
 */
static void use_other_epoch(struct hub *h, struct subscriber *s, const struct hub_read *read)
{
	struct channel *c = s->channel;

	if (read->informed && !c->deleted)
		channel_retire(h, c, channel_head(c));
	if (read->again)
		refill_failed(h, s);
	else
		attach_again(h, s, &read->request.query);
}

/* A refill that could be served goes on silently; everything else is an opening. */
static void use_read(struct hub *h, struct subscriber *s, const struct hub_read *read)
{
	struct channel *c = s->channel;
	struct read_result *r = read->request.result;
	bool again = read->again;

	if (outcome_is_error(r->problem.outcome)) {
		if (again && r->problem.outcome == OUTCOME_NOT_FOUND && !c->deleted)
			channel_retire(h, c, s->cursor);
		if (again)
			refill_failed(h, s);
		else
			fail(h, s, r->problem.outcome, r->problem.detail, r->deleted);
		return;
	}
	if (c->ring && strcmp(c->epoch, r->epoch) != 0) {
		use_other_epoch(h, s, read);
		return;
	}
	channel_learn(h, c, r);
	if (!again || r->resume != RESUME_EXACT) {
		open_from_read(h, s, r, again);
		return;
	}
	if (!r->event_count) {
		pump(h, s);
		return;
	}
	outbox_hold(outbox_get(s), r);
	pump(h, s);
	refill_lost(h, s);
}

static void read_done(struct read_request *request)
{
	struct hub_read *r = container_of(request, struct hub_read, request);
	struct subscriber *s = r->subscriber;

	if (s) {
		s->read = NULL;
		use_read(r->hub, s, r);
	}
	read_result_release(request->result);
	free(r);
}

/* The ring has all that is known of the job; otherwise news are on their way, or were lost on it.
 */
static bool ring_is_complete(const struct channel *c)
{
	return c->state_seq < ring_next(c->ring);
}

/* The ring can answer when it knows the job and holds everything behind the position. */
static bool ring_serves(const struct channel *c, const struct position *p)
{
	return c->known && ring_is_complete(c) && p->kind == POSITION_CURSOR &&
	       strcmp(p->epoch, c->epoch) == 0 && ring_reaches(c->ring, p->seq) &&
	       p->seq < ring_next(c->ring);
}

void hub_attach(struct hub *h, struct subscriber *s, const struct subscriber_ops *ops,
                const struct attach *a)
{
	struct channel *c = channel_open(h, a->job_id);

	assert(!s->channel);
	*s = (struct subscriber){
		.ops = ops,
		.framing = (uint8_t)a->framing,
		.types = (uint8_t)a->types,
		.asker = a->asker,
		.chunked = a->chunked,
		.heartbeat_s = a->heartbeat_s,
		.tabs = a->tabs ? a->tabs : 1,
	};
	list_init(&s->beat);
	list_init(&s->stall);
	channel_join(h, c, s);
	if (a->blocked)
		hub_block(h, s);
	if (c->ring)
		ring_use(c->ring, a->framing);
	if (ring_serves(c, &a->position))
		open_from_ring(h, s, &a->position);
	else
		ask(h, s, &a->position, a->limit, false);
}

/* Delivering. */

static void pump_outbox(struct hub *h, struct subscriber *s)
{
	struct piece p = outbox_next(s, &h->scratch, h->limits->write_bytes);

	if (outbox_done(s->outbox))
		outbox_drop(s);
	if (p.bytes.len)
		write_out(h, s, p.bytes, p.events);
}

static bool caught_up(const struct subscriber *s)
{
	return s->cursor + 1 >= ring_next(s->channel->ring);
}

/* The ring has nothing more, and yet there is more: its news are on their way, or a bus lost them.
 */
static void refill_lost(struct hub *h, struct subscriber *s)
{
	if (s->channel && !s->read && !s->blocked && caught_up(s) &&
	    s->cursor < s->channel->state_seq)
		refill(h, s);
}

static bool wants(const struct subscriber *s, uint64_t seq)
{
	return s->types & TYPE_BIT(ring_type(s->channel->ring, seq));
}

static void pass_over_unwanted(struct subscriber *s)
{
	while (!caught_up(s) && !wants(s, s->cursor + 1))
		s->cursor++;
}

/* Passes over what a filtering subscriber does not want; the bytes of the wanted run then, 0: there
 * is none. */
static size_t next_wanted(struct hub *h, struct subscriber *s)
{
	const struct ring *r = s->channel->ring;
	uint64_t last;

	pass_over_unwanted(s);
	for (last = s->cursor; last + 1 < ring_next(r) && wants(s, last + 1); last++)
		;
	size_t span = ring_span(r, (enum framing)s->framing, s->cursor, last);
	return span < h->limits->write_bytes ? span : h->limits->write_bytes;
}

/* The message that is not logged, behind everything that is. */
static bool pump_passing(struct hub *h, struct subscriber *s)
{
	const struct channel *c = s->channel;

	if (s->passing == c->passing_number)
		return false;
	s->passing = c->passing_number;
	if (!(s->types & TYPE_BIT_PRESENCE))
		return false;
	size_t at = wrap_begin(&h->scratch, 0);
	frame_add_passing(&h->scratch, (enum framing)s->framing, buf_as_slice(&c->passing));
	if (s->chunked)
		at = wrap_chunk(&h->scratch, at);
	write_out(h, s, (struct slice){ h->scratch.ptr + at, h->scratch.len - at }, 0);
	return true;
}

/*
 * Events of the ring as one chunk.  It is made once for all who are at the same position: in a
 * round of many watchers that is nearly everybody.
 */
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

/* False: nothing more can be done now. */
static bool pump_ring(struct hub *h, struct subscriber *s)
{
	struct channel *c = s->channel;

	if ((c->deleted || c->ended) &&
	    (caught_up(s) || (c->deleted && !ring_reaches(c->ring, s->cursor)))) {
		if (c->deleted || s->cursor >= c->end_seq)
			end(h, s);
		return false;
	}
	if (caught_up(s))
		return pump_passing(h, s);
	if (!ring_reaches(c->ring, s->cursor)) {
		refill(h, s);
		return false;
	}
	size_t most = s->types == TYPE_BITS_ALL ? h->limits->write_bytes : next_wanted(h, s);
	if (!most)
		return true;
	uint64_t before = s->cursor;
	struct slice frames = ring_frames(c->ring, (enum framing)s->framing, before, most,
	                                  &s->cursor);
	if (s->chunked && frames.len)
		frames = ring_chunk(h, s, before, frames);
	write_out(h, s, frames, s->cursor - before);
	return true;
}

static void pump_poll(struct subscriber *s)
{
	if (!s->open)
		return;
	if (ring_reaches(s->channel->ring, s->cursor))
		pass_over_unwanted(s);
	if (!caught_up(s) || subscriber_ended(s))
		s->ops->ready(s);
}

/* Gives a subscriber what it has not seen, until it is blocked, waits for the store, or has it all.
 */
static void pump(struct hub *h, struct subscriber *s)
{
	if (s->ops->ready) {
		pump_poll(s);
		return;
	}
	while (s->channel && s->open && !s->blocked && !s->read) {
		if (s->outbox)
			pump_outbox(h, s);
		else if (!pump_ring(h, s))
			return;
	}
}

void hub_writable(struct hub *h, struct subscriber *s)
{
	if (!s->channel || !s->blocked)
		return;
	s->blocked = false;
	list_remove(&s->stall);
	pump(h, s);
}

/* Rounds. */

static void publish(struct hub *h, const struct batch *b, const struct event *e)
{
	struct channel *c = channel_find(h, e->job_id);

	if (!c)
		return;
	channel_set_epoch(h, c, e->epoch);
	if (strcmp(c->epoch, e->epoch) != 0)
		return; /* news of a job that had this name before */
	if (e->deleted) {
		ring_start(c->ring, e->seq);
		channel_retire(h, c, e->seq);
		return;
	}
	ring_append(c->ring, e->seq, e->type, event_json(b, e));
	channel_set_state(c, e->seq, e->job_status,
	                  (struct slice){ b->text.ptr + e->title_at, e->title_len });
	channel_mark(h, c);
}

void hub_pass(struct hub *h, const char *job_id, struct slice json)
{
	struct channel *c = channel_find(h, job_id);

	if (!c || !c->count)
		return;
	if (!c->passing_outdated && json.len == c->passing.len &&
	    !memcmp(json.ptr, c->passing.ptr, json.len))
		return;
	c->passing_outdated = false;
	c->passing_watchers = hub_watchers(h, job_id);
	c->passing.len = 0;
	buf_slice(&c->passing, json);
	c->passing_number++;
	channel_mark(h, c);
}

bool hub_passed(const struct hub *h, const char *job_id)
{
	const struct channel *c = channel_find(h, job_id);

	return c && (c->passing_number || c->passing_outdated);
}

void hub_publish(struct hub *h, const struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		publish(h, b, &b->events[i]);
}

/* A subscriber whose refill failed has no read under way: pump() asks again. */
static size_t visit(struct hub *h, struct channel *c, size_t budget)
{
	size_t done = 0;

	while (c->visit && done < budget) {
		done++;
		pump(h, c->subscribers[--c->visit]);
	}
	return done;
}

/* Everybody had a turn: goes out of the list, or to its end when events came meanwhile. */
static void finish_visit(struct hub *h, struct channel *c)
{
	list_remove(&c->dirty_link);
	c->dirty = false;
	if (c->again) {
		c->again = false;
		channel_mark(h, c);
	}
}

bool hub_round(struct hub *h, uint64_t now_ms)
{
	size_t budget = h->limits->round_visits;

	h->now = now_ms;
	channels_tell_counts(h);
	channels_begin_paced_rounds(h);
	while (budget && !list_empty(&h->dirty)) {
		struct channel *c = container_of(h->dirty.next, struct channel, dirty_link);
		size_t done = visit(h, c, budget);
		budget -= done < budget ? done : budget;
		if (!c->visit)
			finish_visit(h, c);
	}
	return !list_empty(&h->dirty) || !list_empty(&h->counts);
}

/* Time. */

static void beat(struct hub *h, struct subscriber *s)
{
	schedule_beat(h, s);
	if (s->blocked || s->outbox || s->read)
		return; /* there is something on the way that says more */
	if (s->ops->heartbeat) {
		h->stats.heartbeats++;
		s->ops->heartbeat(s, later(channel_head(s->channel), s->cursor));
	}
	if (s->channel)
		pump(h, s);
	refill_lost(h, s);
}

/* True: more of this period are due than *left, which is what this turn may still send. */
static bool tick_period(struct hub *h, struct list *beats, uint64_t *left)
{
	for (; !list_empty(beats); --*left) {
		struct subscriber *s = container_of(beats->next, struct subscriber, beat);
		if (!is_due(h, s->beat_due))
			return false;
		if (!*left)
			return true;
		beat(h, s);
	}
	return false;
}

static bool tick_beats(struct hub *h)
{
	uint64_t left = h->limits->round_visits;

	for (unsigned i = 0; i <= HEARTBEAT_SECONDS_MAX; i++)
		if (tick_period(h, &h->beats[i], &left))
			return true;
	return false;
}

static void tick_stalls(struct hub *h)
{
	while (!list_empty(&h->stalls)) {
		struct subscriber *s = container_of(h->stalls.next, struct subscriber, stall);
		if (!is_due(h, s->stall_due))
			return;
		if (s->ops->takes && s->ops->takes(s)) {
			hub_block(h, s);
			continue;
		}
		h->stats.stalled++;
		detach(h, s);
		s->ops->stalled(s);
	}
}

static void tick_retries(struct hub *h)
{
	while (!list_empty(&h->retries)) {
		struct subscriber *s = container_of(h->retries.next, struct subscriber, stall);
		if (!is_due(h, s->stall_due))
			return;
		list_remove(&s->stall);
		pump(h, s);
		refill_lost(h, s);
	}
}

static void tick_idle(struct hub *h)
{
	while (!list_empty(&h->idle)) {
		struct channel *c = container_of(h->idle.next, struct channel, idle_link);
		if (c->idle_due > h->now)
			return;
		channels_tell_counts(h); /* a channel that goes must not be remembered elsewhere */
		channel_drop(h, c);
	}
}

bool hub_tick(struct hub *h, uint64_t now_ms)
{
	h->now = now_ms;
	tick_stalls(h);
	tick_retries(h);
	tick_idle(h);
	return tick_beats(h);
}

/* Types. */

static bool type_bit(struct slice name, unsigned *bit)
{
	*bit = TYPE_BIT_PRESENCE;
	if (slice_is(name, "presence"))
		return true;
	for (int t = 0; t < EVENT_TYPE_COUNT; t++) {
		*bit = TYPE_BIT(t);
		if (slice_is(name, event_type_text((enum event_type)t)))
			return true;
	}
	return false;
}

bool hub_types_parse(struct slice list, unsigned *types)
{
	const char *end = list.ptr + list.len;

	*types = 0;
	for (const char *at = list.ptr; at <= end; at++) {
		const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
		unsigned bit;
		if (!comma)
			comma = end;
		if (!type_bit((struct slice){ at, (size_t)(comma - at) }, &bit))
			return false;
		*types |= bit;
		at = comma;
	}
	return true;
}

bool subscriber_filters(const struct subscriber *s)
{
	return s->types != TYPE_BITS_ALL;
}

/* For polling. */

uint64_t subscriber_head(const struct subscriber *s)
{
	return later(channel_head(s->channel), s->cursor);
}

bool subscriber_ended(const struct subscriber *s)
{
	const struct channel *c = s->channel;

	return c->deleted || (c->ended && subscriber_head(s) >= c->end_seq);
}

bool subscriber_deleted(const struct subscriber *s)
{
	return s->channel->deleted;
}

bool subscriber_reaches(const struct subscriber *s)
{
	return s->channel->ring && ring_reaches(s->channel->ring, s->cursor);
}

bool subscriber_wants(const struct subscriber *s, enum event_type type)
{
	return s->types & TYPE_BIT(type);
}

enum event_type subscriber_type(const struct subscriber *s, uint64_t seq)
{
	return ring_type(s->channel->ring, seq);
}

void subscriber_pass_over(struct subscriber *s, uint64_t seq)
{
	s->cursor = later(s->cursor, seq);
}

struct slice subscriber_json(const struct subscriber *s, uint64_t seq)
{
	return ring_json(s->channel->ring, seq);
}

enum job_status subscriber_status(const struct subscriber *s)
{
	return s->channel->status;
}

const char *subscriber_epoch(const struct subscriber *s)
{
	return s->channel->epoch;
}

struct hub_stats hub_stats(const struct hub *h)
{
	struct hub_stats stats = h->stats;

	stats.cramped = h->budget.refused;
	return stats;
}

size_t hub_channels(const struct hub *h)
{
	return HASH_COUNT(h->channels);
}
