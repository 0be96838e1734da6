#include "deadlines.h"

#include <stddef.h>

#include "loop_private.h"

#define STOP_LINGER_MS 500 /* how long a stop waits for rejected clients to hang up */

#define LIMIT(field, flag, default_value, min, max, unit, when, why)                               \
	_Static_assert(offsetof(struct limits, field) != offsetof(struct limits, poll_wait_ms) ||  \
	                   (max) / 1000 <= WAIT_SECONDS_MAX,                                       \
	               "there is a list of waits for each second of --poll-wait-ms");
#include "joblight/core/limits.def"
#undef LIMIT

void deadlines_init(struct deadlines *d)
{
	list_init(&d->heads);
	list_init(&d->bodies);
	list_init(&d->idles);
	list_init(&d->closings);
	list_init(&d->delays);
	list_init(&d->messages);
	list_init(&d->beats);
	for (size_t i = 0; i <= WAIT_SECONDS_MAX; i++)
		list_init(&d->waits[i]);
}

static bool is_later(const struct list *a, const struct list *b)
{
	return container_of(a, struct conn, timer)->due > container_of(b, struct conn, timer)->due;
}

void deadline_set(struct list *deadlines, struct conn *c, uint64_t due)
{
	c->due = due;
	list_move_sorted(deadlines, &c->timer, is_later);
}

void deadline_clear(struct conn *c)
{
	list_remove(&c->timer);
}

static void expire(struct list *deadlines, uint64_t now, void (*expired)(struct conn *))
{
	while (!list_empty(deadlines)) {
		struct conn *c = container_of(deadlines->next, struct conn, timer);
		if (c->due > now)
			return;
		list_remove(&c->timer);
		expired(c);
	}
}

void deadlines_expire(struct deadlines *d, uint64_t now, const struct deadline_actions *actions)
{
	expire(&d->heads, now, actions->late);
	expire(&d->bodies, now, actions->late);
	expire(&d->idles, now, actions->idle);
	expire(&d->closings, now, actions->closing);
	expire(&d->delays, now, actions->delayed);
	expire(&d->messages, now, actions->transport);
	expire(&d->beats, now, actions->transport);
	for (size_t i = 1; i <= WAIT_SECONDS_MAX; i++)
		expire(&d->waits[i], now, actions->transport);
}

void deadlines_shorten(struct list *deadlines, uint64_t due)
{
	for (struct list *at = deadlines->next; at != deadlines; at = at->next) {
		struct conn *c = container_of(at, struct conn, timer);
		if (c->due > due)
			c->due = due;
	}
}

uint64_t deadline_body_ms(const struct loop *l)
{
	uint64_t usual = l->limits->body_timeout_ms;

	return l->stopping && usual > STOP_LINGER_MS ? STOP_LINGER_MS : usual;
}
