#include "chore.h"

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
