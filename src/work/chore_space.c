/*
 * Makes the file of the database smaller when much of it is free.  Some stays free, because the
 * next writes use it, and pages that move have to be written.
 */
#include "chore.h"

#define PERIOD_MS 1000
#define KEPT_MIN (UINT64_C(1) << 20)
#define KEPT_SHARE 8 /* of what is used, one part in so many */
#define SLICE_PAGES 16

static bool is_large(const struct store_space *space)
{
	uint64_t kept = space->used / KEPT_SHARE;

	return space->shrinks && space->free > (kept > KEPT_MIN ? kept : KEPT_MIN);
}

/* Slice after slice, for as long as a step may take. */
static enum store_result shrink(struct chores *c, void *context)
{
	const struct store_ops *ops = c->store->ops;
	uint64_t began = clock_monotonic_us(), whole = chore_step_us(c, false);
	struct store_space space;
	enum store_result r = ops->space(c->store, &space);
	bool some = false;

	(void)context;
	while (r == STORE_OK && is_large(&space) && clock_monotonic_us() - began < whole) {
		r = ops->give_back(c->store, SLICE_PAGES);
		if (r == STORE_OK)
			r = ops->space(c->store, &space);
		some |= r == STORE_OK;
	}
	return r == STORE_OK && !some ? STORE_NONE : r;
}

/* A store with several nodes is on a server, which has the files. */
static enum store_result give_back(struct chores *c, struct chore_state *state)
{
	(void)state;
	if (!c->store->ops->exclusive)
		return STORE_NONE;
	return chore_transact(c, shrink, NULL);
}

const struct chore chore_space = {
	.label = LABEL_CHORE_SPACE,
	.scope = CHORE_OF_NODE,
	.step = give_back,
	.period_ms = PERIOD_MS,
	.after_write_ms = PERIOD_MS,
	.begins = "the file of the database cannot be made smaller; it is tried again",
	.ends = "the file of the database is made smaller again",
};
