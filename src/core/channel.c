#include "channel.h"

#include <assert.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/canary.h"
#include "joblight/core/metric.h"
#include "viewers.h"

struct channel *channel_find(const struct hub *h, const char *job_id)
{
	struct channel *c;

	HASH_FIND_STR(h->channels, job_id, c);
	return c;
}

struct channel *channel_open(struct hub *h, const char *job_id)
{
	struct channel *c = channel_find(h, job_id);

	if (c)
		return c;
	c = xcalloc(1, sizeof(*c));
	memcpy(c->job_id, job_id, strlen(job_id) + 1);
	list_init(&c->dirty_link);
	list_init(&c->count_link);
	list_init(&c->idle_link);
	HASH_ADD_STR(h->channels, job_id, c);
	c->is_counted = !canary_has_name(job_id);
	metric_add(METRIC_CHANNELS, c->is_counted);
	h->ops->follows(h->context, c->job_id, true);
	return c;
}

void channel_drop(struct hub *h, struct channel *c)
{
	assert(!c->count);
	if (!c->deleted)
		HASH_DEL(h->channels, c);
	list_remove(&c->dirty_link);
	list_remove(&c->count_link);
	list_remove(&c->idle_link);
	for (int f = 0; f < FRAMING_COUNT; f++)
		if (h->spans[f].ring == c->ring)
			h->spans[f].ring = NULL;
	metric_subtract(METRIC_CHANNELS, c->is_counted);
	ring_free(c->ring);
	buf_finish(&c->ephemeral);
	free(c->title);
	free(c->subscribers);
	free(c);
}

uint64_t channel_head(const struct channel *c)
{
	return c->ring ? ring_next(c->ring) - 1 : 0;
}

/* The count of watchers changed.  It is announced once per round. */
static void mark_count(struct hub *h, struct channel *c)
{
	if (!c->count_is_dirty) {
		c->count_is_dirty = true;
		list_append(&h->counts, &c->count_link);
		h->ops->wake(h->context);
	}
}

/* The channel of a deleted job does not count.  When a new job has its id, the channel of that
 * one does. */
void channels_announce_counts(struct hub *h)
{
	while (!list_empty(&h->counts)) {
		struct channel *c = container_of(h->counts.next, struct channel, count_link);
		const struct channel *now = c->deleted ? channel_find(h, c->job_id) : c;
		unsigned count = now ? now->watchers : 0;
		list_remove(&c->count_link);
		c->count_is_dirty = false;
		if (c->announced_watchers != count || c->ephemeral_outdated || c->deleted)
			h->ops->watchers(h->context, c->job_id, count);
		c->announced_watchers = count;
	}
}

unsigned hub_watchers(const struct hub *h, const char *job_id)
{
	const struct channel *c = channel_find(h, job_id);

	return (c ? c->watchers : 0) + remote_watchers_total(h->remote_watchers, job_id);
}

void hub_set_remote_watchers(struct hub *h, const char *job_id, unsigned loop, unsigned count)
{
	remote_watchers_set(h->remote_watchers, job_id, loop, count);
}

static void count_in(struct channel *c, struct subscriber *s, const char *identity)
{
	bool is_new;

	if (s->uncounted)
		return;
	if (identity) {
		s->viewer = viewers_join(&c->viewers, identity, &is_new);
		c->watchers += is_new;
	} else {
		c->watchers += s->tabs;
	}
}

static void count_out(struct channel *c, struct subscriber *s)
{
	if (s->uncounted)
		return;
	if (s->viewer)
		c->watchers -= viewers_leave(&c->viewers, s->viewer);
	else
		c->watchers -= s->tabs;
	s->viewer = NULL;
}

void channel_join(struct hub *h, struct channel *c, struct subscriber *s, const char *identity)
{
	if (c->count == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 4;
		c->subscribers = xrealloc(c->subscribers, c->cap * sizeof(*c->subscribers));
	}
	s->channel = c;
	s->index = c->count;
	c->subscribers[c->count++] = s;
	metric_add(METRIC_SUBSCRIBERS, c->is_counted);
	count_in(c, s, identity);
	list_remove(&c->idle_link);
	mark_count(h, c);
}

static bool is_idle_later(const struct list *a, const struct list *b)
{
	return container_of(a, struct channel, idle_link)->idle_due >
	       container_of(b, struct channel, idle_link)->idle_due;
}

/* The list is in the order of the deadlines: channels that are deleted or have no ring, and those
 * of a lowered limit, are due before others. */
static void become_idle(struct hub *h, struct channel *c)
{
	c->next_age = (struct event_age){ 0 };
	c->idle_due = h->now + (c->deleted || !c->ring ? 0 : h->limits->linger_ms);
	list_move_sorted(&h->idle, &c->idle_link, is_idle_later);
}

/*
 * The last subscriber takes the place of the one that leaves.  A round visits from the end to the
 * beginning, so a subscriber that moves down was either visited already (a second visit is
 * harmless) or will be.
 */
void channel_leave(struct hub *h, struct subscriber *s)
{
	struct channel *c = s->channel;
	struct subscriber *last = c->subscribers[--c->count];

	c->subscribers[s->index] = last;
	last->index = s->index;
	count_out(c, s);
	metric_subtract(METRIC_SUBSCRIBERS, c->is_counted);
	if (c->visit > c->count)
		c->visit = c->count;
	s->channel = NULL;
	mark_count(h, c);
	if (!c->count)
		become_idle(h, c);
}

#define MANY_EVENTS 32 /* events per watcher in one round that double the pause */

static void begin_round(struct hub *h, struct channel *c)
{
	uint64_t head = channel_head(c);

	metric_add(METRIC_ROUNDS, c->is_counted);
	if (c->waiting)
		metric_count(METRIC_PACED_ROUNDS);
	c->waiting = false;
	c->visit = c->count;
	c->round_age = c->next_age;
	c->next_age = (struct event_age){ 0 };
	c->paced_until = h->now + h->pace_ms * (head - c->round_head < MANY_EVENTS ? 1 : 2);
	c->round_head = head;
	list_move(&h->dirty, &c->dirty_link);
}

/* Inserts the channel after those whose pause ends earlier, usually at the end of the list. */
static void wait_for_pace(struct hub *h, struct channel *c)
{
	struct list *before = h->paced.prev;

	while (before != &h->paced &&
	       container_of(before, struct channel, dirty_link)->paced_until > c->paced_until)
		before = before->prev;
	list_append(before->next, &c->dirty_link); /* before the next one, or before the head */
}

/*
 * A channel with many watchers is paced.  Sending to all of them costs more than anything else, so
 * on a busy loop (hub_set_pace) it happens at most once every pace_ms, with all new events in one
 * write.  The first event after a pause is sent at once.  The pauses are twice as long when very
 * many events come.
 */
void channel_mark(struct hub *h, struct channel *c)
{
	if (!c->count)
		return;
	if (c->dirty) {
		if (!c->waiting && c->visit < c->count)
			c->again = true;
		return;
	}
	c->dirty = true;
	c->waiting = c->count >= h->limits->pace_watchers && h->now < c->paced_until;
	if (c->waiting)
		wait_for_pace(h, c);
	else
		begin_round(h, c);
	h->ops->wake(h->context);
}

void channels_begin_paced_rounds(struct hub *h)
{
	while (!list_empty(&h->paced)) {
		struct channel *c = container_of(h->paced.next, struct channel, dirty_link);
		if (c->paced_until > h->now)
			return;
		begin_round(h, c);
	}
}

/* The job was deleted: its subscribers end at their next visit.  Its id is free at once, so a new
 * job of this id gets a channel of its own. */
void channel_retire(struct hub *h, struct channel *c, uint64_t seq)
{
	HASH_DEL(h->channels, c);
	h->ops->follows(h->context, c->job_id, false);
	c->deleted = true;
	c->end_seq = later(c->end_seq, seq);
	if (!c->count)
		list_move(&h->idle, &c->idle_link);
	channel_mark(h, c);
}

void channel_set_epoch(struct hub *h, struct channel *c, const char *epoch)
{
	if (c->ring)
		return;
	memcpy(c->epoch, epoch, sizeof(c->epoch));
	c->ring = ring_create(h->limits, &h->budget, epoch);
	for (uint32_t i = 0; i < c->count; i++)
		ring_use(c->ring, (enum framing)c->subscribers[i]->framing);
}

void channel_set_state(struct channel *c, uint64_t seq, enum job_status status, struct slice title)
{
	if (seq < c->state_seq)
		return;
	c->state_seq = seq;
	c->status = status;
	if (title.len && !(c->title && slice_is(title, c->title))) {
		free(c->title);
		c->title = xmemdup(title.ptr, title.len);
	}
	if (job_status_terminal(status)) {
		c->ended = true;
		c->end_seq = seq;
	}
}

void channel_correct_state(struct channel *c, uint64_t seq, enum job_status status)
{
	c->state_seq = seq;
	c->status = status;
	c->ended = job_status_terminal(status);
	c->end_seq = c->ended ? seq : 0;
}

void channel_append(struct hub *h, struct channel *c, const struct batch *b, const struct event *e)
{
	ring_append(c->ring, e->seq, e->type, event_json(b, e));
	if (c->count && c->is_counted && !c->next_age.committed_us)
		c->next_age = (struct event_age){ b->committed_us, b->submitted_us };
	channel_set_state(c, e->seq, e->job_status, event_title(b, e));
	channel_mark(h, c);
}

void channel_learn(struct hub *h, struct channel *c, const struct read_result *r)
{
	channel_set_epoch(h, c, r->epoch);
	ring_start(c->ring, r->head);
	channel_set_state(c, r->head, r->status, slice_of(r->title));
	if (!c->title)
		c->title = xstrdup(r->title);
	c->known = true;
}
