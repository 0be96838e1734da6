#include "resume.h"

#include <assert.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/credential.h"
#include "joblight/core/metric.h"
#include "hole.h"
#include "preamble.h"
#include "viewers.h"

#define RETRY_MS 250             /* delay before a failed refill is repeated */
#define POLL_BYTES (1024 * 1024) /* a poll reads everything at once, a stream reads in steps */

/* Reading the store. */

static void read_done(struct read_request *request);

static void fail(struct hub *h, struct subscriber *s, enum outcome outcome, const char *detail,
                 bool deleted)
{
	struct subscription_start o = { .outcome = outcome,
		                        .detail = detail,
		                        .deleted = deleted,
		                        .job_id = s->channel->job_id };

	hub_detach(h, s);
	s->ops->opened(s, &o);
}

/*
 * Reads again after a delay.  A subscriber that waits for a refill is not blocked, so its wait_link
 * is free.
 */
static void retry_soon(struct hub *h, struct subscriber *s)
{
	if (s->blocked)
		return; /* hub_writable() reads again */
	s->wait_due = (uint32_t)(h->now + RETRY_MS);
	list_move(&h->retries, &s->wait_link);
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
	r->epoch_known = s->channel->ring != NULL;
	s->read = r;
	if (h->ops->read(h->context, &r->request))
		return;
	s->read = NULL;
	free(r);
	if (again)
		retry_soon(h, s);
	else
		fail(h, s, OUTCOME_OVERLOADED,
		     "too many reads are waiting for the store; try again in a moment", false);
}

void resume_refill(struct hub *h, struct subscriber *s)
{
	struct position p = { .kind = POSITION_CURSOR, .seq = s->cursor };

	memcpy(p.epoch, s->channel->epoch, sizeof(p.epoch));
	metric_count(METRIC_REFILLS);
	ask(h, s, &p, 0, true);
}

void resume_missing(struct hub *h, struct subscriber *s)
{
	if (s->channel && !s->channel->hole && !s->read && !s->blocked && subscriber_caught_up(s) &&
	    s->cursor < s->channel->state_seq)
		resume_refill(h, s);
}

/* Beginning a subscription. */

static void start(struct hub *h, struct subscriber *s, struct subscription_start *o)
{
	struct channel *c = s->channel;

	s->cursor = o->start;
	s->ephemeral = c->ephemeral_number; /* the start of the subscription carries this state */
	s->open = true;
	o->job_id = c->job_id;
	o->title = c->title;
	o->epoch = c->epoch;
	o->status = c->status;
	o->watchers = hub_watchers(h, c->job_id);
	if (!s->ops->ready && o->watchers != (c->ephemeral_number ? c->ephemeral_watchers : 1))
		c->ephemeral_outdated = true;
	o->heartbeat_ms = subscriber_heartbeat_ms(h, s);
	if (!o->again)
		metric_add(METRIC_SUBSCRIPTIONS + o->resume, c->is_counted);
	o->finished = c->ended && o->resume == RESUME_EXACT && o->start >= c->end_seq;
	if (!s->ops->ready && !o->again)
		subscriber_schedule_heartbeat(h, s);
	s->ops->opened(s, o);
	if (s->channel)
		resume_deliver(h, s);
}

static void start_from_ring(struct hub *h, struct subscriber *s, const struct position *p)
{
	struct subscription_start o = { .resume = RESUME_EXACT,
		                        .start = p->seq,
		                        .head = channel_head(s->channel) };

	start(h, s, &o);
}

static void start_from_read(struct hub *h, struct subscriber *s, struct read_result *r, bool again)
{
	struct subscription_start o = {
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
		metric_count(METRIC_RESETS);
	if (r->event_count)
		preamble_hold(preamble_get(s), r);
	start(h, s, &o);
}

/* Attaches again, to the channel of the job that has the id now. */
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
		.uncounted = s->uncounted,
	};
	char identity[IDENTITY_MAX + 1];

	if (s->viewer) {
		memcpy(identity, viewer_identity(s->viewer), sizeof(identity));
		a.identity = identity;
	}

	hub_detach(h, s);
	hub_attach(h, s, s->ops, &a);
}

/* Results of reads. */

/* A refill failed.  The stream of a deleted job ends; any other reads again soon. */
static void refill_failed(struct hub *h, struct subscriber *s)
{
	if (s->channel->deleted)
		resume_deliver(h, s);
	else
		retry_soon(h, s);
}

/*
 * The result is about another job of this id than the channel.  When the query was asked after the
 * channel's epoch was known, the result is newer: the job was deleted and created again, and the
 * read was faster than the event.  Otherwise either may be older, and the query is repeated.
 */
static void use_other_epoch(struct hub *h, struct subscriber *s, const struct hub_read *read)
{
	struct channel *c = s->channel;

	if (read->epoch_known && !c->deleted)
		channel_retire(h, c, channel_head(c));
	if (read->again)
		refill_failed(h, s);
	else
		attach_again(h, s, &read->request.query);
}

/* A successful refill continues silently; every other result starts the subscription, for the
 * first time or again. */
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
		start_from_read(h, s, r, again);
		return;
	}
	if (!r->event_count) {
		resume_deliver(h, s);
		return;
	}
	preamble_hold(preamble_get(s), r);
	resume_deliver(h, s);
	resume_missing(h, s);
}

static void read_done(struct read_request *request)
{
	struct hub_read *r = container_of(request, struct hub_read, request);
	struct subscriber *s = r->subscriber;

	if (s) {
		struct channel *c = s->channel;
		s->read = NULL;
		use_read(r->hub, s, r);
		hole_check(r->hub, c);
	}
	read_result_release(request->result);
	free(r);
}

/* Attaching. */

/* Whether the ring has all events up to the known state of the job.  Otherwise some are on their
 * way, or were lost. */
static bool ring_is_complete(const struct channel *c)
{
	return c->state_seq < ring_next(c->ring);
}

/* Whether the ring can serve the position: the channel is known, and all events after the
 * position are in the ring. */
static bool ring_serves(const struct channel *c, const struct position *p)
{
	return c->known && ring_is_complete(c) && p->kind == POSITION_CURSOR &&
	       strcmp(p->epoch, c->epoch) == 0 && ring_reaches(c->ring, p->seq) &&
	       p->seq < ring_next(c->ring);
}

void hub_open_log(struct hub *h, const char *name, const char *epoch)
{
	struct channel *c = channel_open(h, name);

	channel_set_epoch(h, c, epoch);
	ring_start(c->ring, 0);
	c->title = xstrdup("");
	c->known = true;
	c->is_unstored = true;
}

void hub_attach(struct hub *h, struct subscriber *s, const struct subscriber_ops *ops,
                const struct attach *a)
{
	struct channel *c = channel_open(h, a->job_id);

	assert(!s->channel);
	*s = (struct subscriber){
		.ops = ops,
		.framing = (uint8_t)a->framing,
		.types = (uint16_t)a->types,
		.asker = a->asker,
		.chunked = a->chunked,
		.heartbeat_s = a->heartbeat_s,
		.tabs = a->tabs ? a->tabs : 1,
		.uncounted = a->uncounted,
	};
	list_init(&s->heartbeat_link);
	list_init(&s->wait_link);
	channel_join(h, c, s, a->identity);
	if (a->blocked)
		hub_block(h, s);
	if (c->ring)
		ring_use(c->ring, a->framing);
	if (ring_serves(c, &a->position))
		start_from_ring(h, s, &a->position);
	else
		ask(h, s, &a->position, a->limit, false);
}

void hub_send(struct subscriber *s, struct first_message *m, struct read_result *result)
{
	preamble_send(preamble_get(s), m, result);
}

void hub_writable(struct hub *h, struct subscriber *s)
{
	if (!s->channel || !s->blocked)
		return;
	s->blocked = false;
	list_remove(&s->wait_link);
	resume_deliver(h, s);
}
