#include "joblight/core/hub.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "resume.h"

struct hub *hub_create(const struct limits *limits, const struct hub_ops *ops, void *context)
{
	struct hub *h = xcalloc(1, sizeof(*h));

	h->limits = limits;
	h->ops = ops;
	h->context = context;
	h->budget.max = limits->rings_bytes;
	h->pace_ms = limits->pace_ms;
	h->remote_watchers = remote_watchers_create();
	list_init(&h->dirty);
	list_init(&h->paced);
	list_init(&h->counts);
	list_init(&h->idle);
	for (unsigned i = 0; i <= HEARTBEAT_SECONDS_MAX; i++)
		list_init(&h->heartbeats[i]);
	list_init(&h->write_stalls);
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
	while (!list_empty(&h->idle)) /* the channels of deleted jobs */
		channel_drop(h, container_of(h->idle.next, struct channel, idle_link));
	remote_watchers_free(h->remote_watchers);
	buf_finish(&h->scratch);
	for (int f = 0; f < FRAMING_COUNT; f++)
		buf_finish(&h->spans[f].bytes);
	free(h);
}

/* Publishing. */

static void publish(struct hub *h, const struct batch *b, const struct event *e)
{
	struct channel *c = channel_find(h, e->job_id);

	if (!c)
		return;
	channel_set_epoch(h, c, e->epoch);
	if (strcmp(c->epoch, e->epoch) != 0)
		return; /* an event of an earlier job of this id */
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

void hub_publish(struct hub *h, const struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		publish(h, b, &b->events[i]);
}

void hub_publish_ephemeral(struct hub *h, const char *job_id, struct slice json)
{
	struct channel *c = channel_find(h, job_id);

	if (!c || !c->count)
		return;
	if (!c->ephemeral_outdated && json.len == c->ephemeral.len &&
	    !memcmp(json.ptr, c->ephemeral.ptr, json.len))
		return;
	c->ephemeral_outdated = false;
	c->ephemeral_watchers = hub_watchers(h, job_id);
	c->ephemeral.len = 0;
	buf_slice(&c->ephemeral, json);
	c->ephemeral_number++;
	channel_mark(h, c);
}

bool hub_has_ephemeral(const struct hub *h, const char *job_id)
{
	const struct channel *c = channel_find(h, job_id);

	return c && (c->ephemeral_number || c->ephemeral_outdated);
}

/* Rounds. */

/* Visits up to `budget` subscribers.  One whose refill failed asks the store again. */
static size_t visit(struct hub *h, struct channel *c, size_t budget)
{
	size_t done = 0;

	while (c->visit && done < budget) {
		done++;
		resume_deliver(h, c->subscribers[--c->visit]);
	}
	return done;
}

/*
 * All subscribers were visited: the channel leaves the list, or moves to its end if events came
 * during the visit.
 */
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
	channels_announce_counts(h);
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

/* Figures. */

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
