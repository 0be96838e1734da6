/* Compares the clocks and saves their readings, so that the timeline survives a restart. */
#include <inttypes.h>
#include <stdio.h>

#include "chore.h"
#include "joblight/base/log.h"
#include "joblight/core/timeline.h"

#define PERIOD_MS 1000

static struct clock_reading read_clocks(const char *boot)
{
	return (struct clock_reading){
		.boot = boot,
		.wall = clock_wall_ms(),
		.monotonic = (int64_t)clock_monotonic_ms(),
		.boottime = (int64_t)clock_boottime_ms(),
	};
}

static void log_jump(int64_t jump)
{
	char ms[24];

	if (!jump)
		return;
	snprintf(ms, sizeof ms, "%" PRId64, jump);
	log_warn("the wall clock has jumped; nothing is pruned by its age and no idempotency key "
	         "expires for an hour",
	         "ms", ms);
}

static enum store_result save_clock(struct chores *c, void *context)
{
	(void)context;
	return c->store->ops->clock_put(c->store, &c->timeline->row);
}

int64_t chores_wall_ms(struct chores *c, bool *trusted)
{
	struct clock_reading now = read_clocks(c->boot);
	bool save;

	log_jump(timeline_look(c->timeline, &now, &save));
	c->clock_unsaved |= save;
	*trusted = !timeline_waits(c->timeline, now.monotonic);
	return now.wall;
}

/* What could not be saved is saved by the next step. */
static enum store_result compare_clocks(struct chores *c, struct chore_state *state)
{
	bool trusted;

	chores_wall_ms(c, &trusted);
	state->tried = c->clock_unsaved;
	if (!c->clock_unsaved)
		return STORE_NONE;
	enum store_result r = chore_transact(c, save_clock, NULL);
	c->clock_unsaved = r != STORE_OK;
	return r == STORE_OK ? STORE_NONE : r;
}

int64_t chore_steady_ms(const struct chores *c)
{
	return timeline_steady(c->timeline, (int64_t)clock_monotonic_ms());
}

void chores_start_timeline(struct store *store, struct timeline *timeline)
{
	char boot[CLOCK_BOOT_LEN + 1];
	struct clock_row saved;
	enum store_result r = store->ops->begin(store);

	if (r == STORE_OK) {
		r = store->ops->clock_get(store, &saved);
		store->ops->rollback(store);
	}
	clock_boot_id(boot);
	struct clock_reading now = read_clocks(boot);
	log_jump(timeline_start(timeline, r == STORE_OK ? &saved : NULL, &now));
}

const struct chore chore_clock = {
	.step = compare_clocks,
	.period_ms = PERIOD_MS,
	.after_write_ms = PERIOD_MS,
	.begins = "what the clocks show cannot be saved; it is tried again",
	.ends = "what the clocks show is saved again",
};
