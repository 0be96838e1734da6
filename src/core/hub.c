#include "joblight/core/hub.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/metric.h"
#include "hole.h"
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
	list_init(&h->holes);
	list_init(&h->paced);
	list_init(&h->counts);
	list_init(&h->idle);
	for (unsigned i = 0; i <= HEARTBEAT_SECONDS_MAX; i++)
		list_init(&h->heartbeats[i]);
	list_init(&h->write_stalls);
	list_init(&h->retries);
	return h;
}

static void drop(struct hub *h, struct channel *c)
{
	hole_free(c);
	channel_drop(h, c);
}

void hub_free(struct hub *h)
{
	struct channel *c, *next;

	if (!h)
		return;
	HASH_ITER(hh, h->channels, c, next)
		drop(h, c);
	while (!list_empty(&h->idle)) /* the channels of deleted jobs */
		drop(h, container_of(h->idle.next, struct channel, idle_link));
	remote_watchers_free(h->remote_watchers);
	buf_finish(&h->scratch);
	for (int f = 0; f < FRAMING_COUNT; f++)
		buf_finish(&h->spans[f].bytes);
	free(h->ages);
	free(h);
}

/* Publishing. */

static void publish(struct hub *h, struct batch *b, const struct event *e)
{
	struct channel *c = channel_find(h, e->job_id);

	if (!c)
		return;
	if (e->is_head) {
		hole_compare(h, c, e);
		return;
	}
	channel_set_epoch(h, c, e->epoch);
	if (strcmp(c->epoch, e->epoch) != 0)
		return; /* an event of an earlier job of this id */
	if (e->deleted) {
		ring_start(c->ring, e->seq);
		channel_retire(h, c, e->seq);
		return;
	}
	if (hole_keeps(h, c, b, e))
		return;
	channel_append(h, c, b, e);
	hole_shrink(h, c);
}

void hub_publish(struct hub *h, struct batch *b)
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

/* When all watchers have left during the visit, nothing was written. */
static void keep_age(struct hub *h, struct channel *c)
{
	if (!c->round_age.committed_us || !c->count)
		return;
	if (h->age_count == h->age_cap) {
		h->age_cap = h->age_cap ? h->age_cap * 2 : 64;
		h->ages = xrealloc(h->ages, h->age_cap * sizeof(*h->ages));
	}
	h->ages[h->age_count++] = c->round_age;
	c->round_age = (struct event_age){ 0 };
}

/*
 * All subscribers were visited: the channel leaves the list, or moves to its end if events came
 * during the visit.
 */
static void finish_visit(struct hub *h, struct channel *c)
{
	list_remove(&c->dirty_link);
	c->dirty = false;
	keep_age(h, c);
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
	holes_read(h);
	while (budget && !list_empty(&h->dirty)) {
		struct channel *c = container_of(h->dirty.next, struct channel, dirty_link);
		size_t done = visit(h, c, budget);
		budget -= done < budget ? done : budget;
		if (!c->visit)
			finish_visit(h, c);
	}
	return !list_empty(&h->dirty) || !list_empty(&h->counts);
}

void hub_count_deliveries(struct hub *h)
{
	if (!h->writes)
		return;
	metric_add(METRIC_STREAM_WRITES, h->writes);
	metric_add(METRIC_DELIVERIES, h->deliveries);
	h->writes = h->deliveries = 0;
}

bool hub_has_rounds(const struct hub *h)
{
	return h->age_count > 0;
}

void hub_observe_rounds(struct hub *h, uint64_t now_us)
{
	for (size_t i = 0; i < h->age_count; i++) {
		metric_observe_since(METRIC_COMMIT_TO_WRITE, h->ages[i].committed_us, now_us);
		metric_observe_since(METRIC_PUBLISH_TO_WRITE, h->ages[i].submitted_us, now_us);
	}
	h->age_count = 0;
}

void hub_set_pace(struct hub *h, uint64_t pace_ms)
{
	h->pace_ms = pace_ms;
	metric_set(METRIC_PACE, pace_ms * 1000);
}

uint64_t hub_round_due(const struct hub *h)
{
	uint64_t due = holes_due(h);

	if (list_empty(&h->paced))
		return due;
	uint64_t paced = container_of(h->paced.next, struct channel, dirty_link)->paced_until;
	return paced < due ? paced : due;
}

/* Figures. */

size_t hub_channels(const struct hub *h)
{
	return HASH_COUNT(h->channels);
}
