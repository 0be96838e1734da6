/* A removed database file is noticed by beginning a transaction, also when nobody writes. */
#include "chore.h"

#define PERIOD_MS 250

static enum store_result do_nothing(struct chores *c, void *context)
{
	(void)c, (void)context;
	return STORE_NONE;
}

static enum store_result try_store(struct chores *c, struct chore_state *state)
{
	enum store_result r = chore_transact(c, do_nothing, NULL);

	(void)state;
	c->broken = r == STORE_BROKEN;
	return r;
}

const struct chore chore_file = {
	.label = LABEL_CHORE_FILE,
	.scope = CHORE_OF_NODE,
	.step = try_store,
	.period_ms = PERIOD_MS,
	.after_write_ms = PERIOD_MS,
	.begins = "the database cannot be written",
	.ends = "the database can be written again",
};
