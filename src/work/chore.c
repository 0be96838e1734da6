#include "chore.h"

#define STEP_MIN_US 100
#define STEP_MAX_US 50000
#define STEP_IDLE_US 3000
#define RECENT_MS 100 /* clients are likely to write again for this long after a write */

enum store_result chore_transact(struct chores *c, chore_work *work, void *context)
{
	const struct store_ops *ops = c->store->ops;
	enum store_result r = ops->begin(c->store);

	if (r != STORE_OK)
		return r;
	r = work(c, context);
	if (r == STORE_OK)
		r = ops->commit(c->store);
	if (r != STORE_OK)
		ops->rollback(c->store);
	return r;
}

bool chore_writes_are_recent(const struct chores *c, uint64_t now)
{
	return c->written_at && now - c->written_at < RECENT_MS;
}

/* The commit is about half of a small transaction. */
uint64_t chore_step_us(const struct chores *c, bool urgent)
{
	uint64_t us = urgent ? c->write_us : c->write_us / 2;

	if (!chore_writes_are_recent(c, clock_monotonic_ms()))
		return STEP_IDLE_US;
	return us < STEP_MIN_US ? STEP_MIN_US : us > STEP_MAX_US ? STEP_MAX_US : us;
}
