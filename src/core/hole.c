#include "hole.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/metric.h"

#define PATIENCE_MS 20 /* in which an event may overtake others */
#define RETRY_MS 250   /* before a read that failed or found nothing is repeated */
#define KEPT_MAX 256   /* events */
#define READS_MAX 4    /* that do not find what a bus said; then the store is right */

struct kept {
	struct batch *batch;
	const struct event *event;
};

struct hole_read {
	struct read_request request; /* first: done() gets it back */
	struct hub *hub;
	struct channel *channel; /* NULL: it was dropped */
};

struct hole {
	struct channel *channel;
	struct kept *kept; /* by seq */
	size_t count;
	uint64_t delay_ms; /* not yet in `due`; 0: it is */
	uint64_t due;
	unsigned misses;  /* reads in a row that found nothing */
	struct list link; /* in hub.holes, the earliest first; not while it is read */
	struct hole_read *read;
};

/* ---- opening and closing ---- */

static bool is_later(const struct list *a, const struct list *b)
{
	return container_of(a, struct hole, link)->due > container_of(b, struct hole, link)->due;
}

/* The delay begins with the next round, because between rounds the hub does not know the time. */
static void schedule(struct hub *h, struct hole *hole, uint64_t delay_ms)
{
	hole->delay_ms = delay_ms;
	hole->due = 0;
	list_move_sorted(&h->holes, &hole->link, is_later);
	h->ops->wake(h->context);
}

static struct hole *open_hole(struct hub *h, struct channel *c)
{
	if (c->hole)
		return c->hole;
	c->hole = xcalloc(1, sizeof(*c->hole));
	c->hole->channel = c;
	list_init(&c->hole->link);
	schedule(h, c->hole, PATIENCE_MS);
	return c->hole;
}

void hole_free(struct channel *c)
{
	struct hole *hole = c->hole;

	if (!hole)
		return;
	c->hole = NULL;
	list_remove(&hole->link);
	if (hole->read)
		hole->read->channel = NULL;
	for (size_t i = 0; i < hole->count; i++)
		batch_release(hole->kept[i].batch);
	free(hole->kept);
	free(hole);
}

/* The ring has everything that is known of, and no read is under way. */
static void close_if_full(struct channel *c)
{
	if (c->hole && !c->hole->read && ring_next(c->ring) > c->state_seq)
		hole_free(c);
}

/* ---- events that came too early ---- */

static void keep(struct hole *hole, struct batch *b, const struct event *e)
{
	size_t at = hole->count;

	if (hole->count == KEPT_MAX)
		return;           /* it is read */
	if ((at & (at - 1)) == 0) /* a power of two: full */
		hole->kept = xrealloc(hole->kept, (at ? at * 2 : 1) * sizeof(*hole->kept));
	for (; at && hole->kept[at - 1].event->seq > e->seq; at--)
		hole->kept[at] = hole->kept[at - 1];
	batch_hold(b);
	hole->kept[at] = (struct kept){ b, e };
	hole->count++;
}

bool hole_keeps(struct hub *h, struct channel *c, struct batch *b, const struct event *e)
{
	if (!c->count || c->is_unstored || !ring_started(c->ring) || e->seq <= ring_next(c->ring))
		return false;
	keep(open_hole(h, c), b, e);
	channel_set_state(c, e->seq, e->job_status, event_title(b, e));
	return true;
}

static void drop_first(struct hole *hole)
{
	batch_release(hole->kept[0].batch);
	hole->count--;
	memmove(hole->kept, hole->kept + 1, hole->count * sizeof(hole->kept[0]));
}

void hole_shrink(struct hub *h, struct channel *c)
{
	struct hole *hole = c->hole;

	if (!hole)
		return;
	while (hole->count && hole->kept[0].event->seq <= ring_next(c->ring)) {
		channel_append(h, c, hole->kept[0].batch, hole->kept[0].event);
		drop_first(hole);
	}
	close_if_full(c);
}

/* ---- heads ---- */

/* The job was deleted, or has another log, unless the head is older than the channel: a read of
 * the store decides. */
static void doubt(struct hub *h, struct channel *c)
{
	if (c->count)
		open_hole(h, c);
	else
		channel_retire(h, c, channel_head(c));
}

void hole_check(struct hub *h, struct channel *c)
{
	if (c->count && !c->deleted && !c->is_unstored && c->ring && ring_started(c->ring) &&
	    ring_next(c->ring) <= c->state_seq)
		open_hole(h, c);
}

void hole_compare(struct hub *h, struct channel *c, const struct event *head)
{
	if (!head->epoch[0]) {
		if (c->ring)
			doubt(h, c);
		return;
	}
	channel_set_epoch(h, c, head->epoch);
	if (strcmp(c->epoch, head->epoch) != 0) {
		doubt(h, c);
		return;
	}
	channel_set_state(c, head->seq, head->job_status, (struct slice){ 0 });
	hole_check(h, c);
}

/* ---- reading ---- */

static void append_read(struct hub *h, struct channel *c, const struct read_result *r)
{
	for (size_t i = 0; i < r->event_count; i++)
		ring_append(c->ring, r->events[i].seq, r->events[i].type,
		            read_event_json(r, &r->events[i]));
	channel_set_state(c, r->head, r->status, slice_of(r->title));
	channel_mark(h, c);
}

/* The log does not reach back to the end of the ring: each subscriber starts again. */
static void skip(struct hub *h, struct channel *c, const struct read_result *r)
{
	ring_skip(c->ring, r->head);
	channel_set_state(c, r->head, r->status, slice_of(r->title));
	channel_mark(h, c);
}

/*
 * The log ends before an event that the bus has delivered.  The commit of an event comes before its
 * message, so there is no such event: somebody else has sent it.
 */
static void disbelieve(struct channel *c, const struct read_result *r)
{
	hole_free(c);
	channel_correct_state(c, r->head, r->status);
}

/* What is to be done after a read that was no failure. */
static void go_on(struct hub *h, struct channel *c, const struct read_result *r, bool found)
{
	struct hole *hole = c->hole;

	if (!hole)
		return;
	hole->misses = found ? 0 : hole->misses + 1;
	if (hole->misses >= READS_MAX && ring_next(c->ring) == r->head + 1)
		disbelieve(c, r);
	else
		schedule(h, hole, found ? 0 : RETRY_MS);
}

static void use_read(struct hub *h, struct channel *c, const struct read_result *r)
{
	uint64_t before = ring_next(c->ring);
	bool failed = outcome_is_error(r->problem.outcome);

	if (r->problem.outcome == OUTCOME_NOT_FOUND ||
	    (!failed && strcmp(c->epoch, r->epoch) != 0)) {
		hole_free(c);
		channel_retire(h, c, channel_head(c));
		return;
	}
	if (failed) {
		schedule(h, c->hole, RETRY_MS);
		return;
	}
	if (r->resume == RESUME_EXACT)
		append_read(h, c, r);
	else
		skip(h, c, r);
	hole_shrink(h, c);
	go_on(h, c, r, ring_next(c->ring) > before);
}

static void on_read(struct read_request *request)
{
	struct hole_read *r = container_of(request, struct hole_read, request);
	struct channel *c = r->channel;

	if (c) {
		c->hole->read = NULL;
		if (c->deleted)
			hole_free(c);
		else
			use_read(r->hub, c, request->result);
	}
	read_result_release(request->result);
	free(r);
}

static void read_hole(struct hub *h, struct hole *hole)
{
	struct hole_read *r = xcalloc(1, sizeof(*r));
	struct read_query *q = &r->request.query;
	const struct channel *c = hole->channel;

	*q = (struct read_query){
		.kind = READ_RESUME,
		.position = { .kind = POSITION_CURSOR, .seq = channel_head(c) },
		.limit = h->limits->ring_events,
		.bytes = h->limits->ring_bytes,
	};
	memcpy(q->position.epoch, c->epoch, sizeof(c->epoch));
	memcpy(q->job_id, c->job_id, sizeof(c->job_id));
	r->request.done = on_read;
	atomic_init(&r->request.gone, false);
	r->hub = h;
	r->channel = hole->channel;
	hole->read = r;
	metric_count(METRIC_BUS_HOLES);
	if (h->ops->read(h->context, &r->request))
		return;
	hole->read = NULL;
	free(r);
	schedule(h, hole, RETRY_MS);
}

void holes_read(struct hub *h)
{
	while (!list_empty(&h->holes)) {
		struct hole *hole = container_of(h->holes.next, struct hole, link);
		if (hole->due > h->now)
			return;
		list_remove(&hole->link);
		if (!hole->delay_ms) {
			read_hole(h, hole);
			continue;
		}
		hole->due = h->now + hole->delay_ms;
		hole->delay_ms = 0;
		list_move_sorted(&h->holes, &hole->link, is_later);
	}
}

uint64_t holes_due(const struct hub *h)
{
	if (list_empty(&h->holes))
		return UINT64_MAX;
	return container_of(h->holes.next, struct hole, link)->due;
}
