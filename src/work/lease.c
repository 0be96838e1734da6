#include "lease.h"

#include "joblight/base/clock.h"

void lease_init(struct lease *l, struct store *store, const char *name)
{
	*l = (struct lease){ .store = store, .name = name, .always = store->ops->exclusive };
}

static enum store_result take(struct lease *l)
{
	const struct store_ops *ops = l->store->ops;
	enum store_result r = ops->begin(l->store);

	if (r != STORE_OK)
		return r;
	r = ops->lease_take(l->store, l->name, LEASE_MS);
	if (r == STORE_OK)
		r = ops->commit(l->store);
	if (r != STORE_OK)
		ops->rollback(l->store);
	return r;
}

/* It lasts from the time before it was asked for, which is earlier than the database's. */
bool lease_tick(struct lease *l)
{
	uint64_t now = clock_monotonic_ms();
	bool had = l->had;

	if (l->always || now < l->due)
		return false;
	enum store_result r = take(l);
	l->due = clock_monotonic_ms() + LEASE_RENEW_MS;
	if (r == STORE_OK)
		l->until = now + LEASE_MS;
	l->is_elsewhere = r == STORE_NONE;
	if (l->is_elsewhere)
		l->until = 0;
	l->had = lease_is_held(l);
	return l->had && !had;
}

bool lease_is_held(const struct lease *l)
{
	return l->always || clock_monotonic_ms() < l->until;
}

uint64_t lease_due(const struct lease *l)
{
	return l->always ? UINT64_MAX : l->due;
}
