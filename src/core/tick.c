#include "joblight/core/metric.h"
#include "hole.h"
#include "resume.h"

static bool is_due(const struct hub *h, uint32_t when)
{
	return (int32_t)(when - (uint32_t)h->now) <= 0;
}

static void send_heartbeat(struct hub *h, struct subscriber *s)
{
	subscriber_schedule_heartbeat(h, s);
	if (s->blocked || s->preamble || s->read)
		return; /* it gets other bytes soon */
	if (s->ops->heartbeat) {
		metric_count(METRIC_HEARTBEATS);
		s->ops->heartbeat(s, later(channel_head(s->channel), s->cursor));
	}
	if (s->channel)
		resume_deliver(h, s);
	resume_missing(h, s);
}

/* Sends the heartbeats of one period.  True: more are due than *left, the number that this turn
 * may still send. */
static bool tick_period(struct hub *h, struct list *heartbeats, uint64_t *left)
{
	for (; !list_empty(heartbeats); --*left) {
		struct subscriber *s = container_of(heartbeats->next, struct subscriber,
		                                    heartbeat_link);
		if (!is_due(h, s->heartbeat_due))
			return false;
		if (!*left)
			return true;
		send_heartbeat(h, s);
	}
	return false;
}

static bool tick_heartbeats(struct hub *h)
{
	uint64_t left = h->limits->round_visits;

	for (unsigned i = 0; i <= HEARTBEAT_SECONDS_MAX; i++)
		if (tick_period(h, &h->heartbeats[i], &left))
			return true;
	return false;
}

static void tick_write_stalls(struct hub *h)
{
	while (!list_empty(&h->write_stalls)) {
		struct subscriber *s = container_of(h->write_stalls.next, struct subscriber,
		                                    wait_link);
		if (!is_due(h, s->wait_due))
			return;
		if (s->ops->takes && s->ops->takes(s)) {
			hub_block(h, s);
			continue;
		}
		metric_count(METRIC_SLOW_CLOSES + LABEL_CAUSE_STALLED);
		hub_detach(h, s);
		s->ops->write_stalled(s);
	}
}

static void tick_retries(struct hub *h)
{
	while (!list_empty(&h->retries)) {
		struct subscriber *s = container_of(h->retries.next, struct subscriber, wait_link);
		if (!is_due(h, s->wait_due))
			return;
		list_remove(&s->wait_link);
		resume_deliver(h, s);
		resume_missing(h, s);
	}
}

static void tick_idle(struct hub *h)
{
	while (!list_empty(&h->idle)) {
		struct channel *c = container_of(h->idle.next, struct channel, idle_link);
		if (c->idle_due > h->now)
			return;
		/* the others must not keep the count of a dropped channel */
		channels_announce_counts(h);
		if (!c->deleted)
			h->ops->follows(h->context, c->job_id, false);
		hole_free(c);
		channel_drop(h, c);
	}
}

bool hub_tick(struct hub *h, uint64_t now_ms)
{
	h->now = now_ms;
	tick_write_stalls(h);
	tick_retries(h);
	tick_idle(h);
	return tick_heartbeats(h);
}
