#include "bucket.h"

#define NS_PER_MS 1000000

static uint64_t window_ns(const struct rate *r)
{
	return r->window_ms * NS_PER_MS;
}

/* How long the bucket needs for so many tokens; saturates, because `count` is a client's. */
static uint64_t time_of(const struct rate *r, uint64_t count)
{
	uint64_t interval = window_ns(r) / r->quota;

	return count > r->quota * 1000 ? window_ns(r) * 1000 : interval * count;
}

uint64_t bucket_take(struct bucket *b, const struct rate *r, uint64_t count, uint64_t now_ms)
{
	uint64_t now = now_ms * NS_PER_MS, full, start;

	if (!r->quota || !count)
		return 0;
	uint64_t cost = time_of(r, count), room = time_of(r, r->quota);
	uint64_t needed = cost < room ? cost : room;
	full = atomic_load_explicit(&b->full_at, memory_order_relaxed);
	do {
		start = full > now ? full : now;
		if (start + needed > now + room)
			return (start + needed - now - room + NS_PER_MS - 1) / NS_PER_MS;
	} while (!atomic_compare_exchange_weak_explicit(
	    &b->full_at, &full, start + cost, memory_order_relaxed, memory_order_relaxed));
	return 0;
}

struct bucket_level bucket_level(struct bucket *b, const struct rate *r, uint64_t now_ms)
{
	uint64_t now = now_ms * NS_PER_MS, interval = window_ns(r) / r->quota;
	uint64_t full = atomic_load_explicit(&b->full_at, memory_order_relaxed);
	uint64_t missing = full > now ? full - now : 0, room = interval * r->quota;

	return (struct bucket_level){
		.left = missing < room ? (room - missing) / interval : 0,
		.full_ms = (missing + NS_PER_MS - 1) / NS_PER_MS,
	};
}
