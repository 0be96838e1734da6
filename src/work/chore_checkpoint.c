/* Copies the write-ahead log into the database. */
#include "chore.h"

#define PERIOD_MS 1000 /* also the pause before a checkpoint that was held up is tried again */

static enum store_result checkpoint(struct chores *c, struct chore_state *state)
{
	enum store_result r = c->store->ops->checkpoint(c->store);

	state->tried = r != STORE_NONE;
	return r == STORE_OK ? STORE_NONE : r;
}

const struct chore chore_checkpoint = {
	.label = LABEL_CHORE_CHECKPOINT,
	.scope = CHORE_OF_FILE,
	.step = checkpoint,
	.period_ms = PERIOD_MS,
	.after_write_ms = 0,
	.begins = "the write-ahead log cannot be copied into the database; it is tried again",
	.ends = "the write-ahead log is copied into the database again",
};
