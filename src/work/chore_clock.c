/* Compares the clocks and saves their readings, so that the timeline survives a restart. */
#include <inttypes.h>
#include <stdio.h>

#include "chore.h"
#include "joblight/base/log.h"
#include "joblight/core/timeline.h"

#define PERIOD_MS 1000
#define FOLLOW_MS 60000 /* how often the clock of the database is read */
#define READ_MS 50      /* a reading that took longer says nothing */

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

static void log_difference(int64_t difference)
{
	char ms[24];

	if (!difference)
		return;
	snprintf(ms, sizeof ms, "%" PRId64, difference);
	log_warn(
	    "the clock of this machine is not that of the database; nothing is pruned by its age "
	    "and no idempotency key expires here for an hour",
	    "ms", ms);
}

/* Nodes that share a clock have no need of each other's. */
static enum store_result save_clock(struct chores *c, void *context)
{
	(void)context;
	if (c->timeline->shared)
		return STORE_NONE;
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

static enum store_result read_shared(struct chores *c, void *context)
{
	enum store_result r = c->store->ops->now(c->store, context);

	return r == STORE_OK ? STORE_NONE : r;
}

/* It was read in the middle of the time that it took. */
static void follow_shared(struct chores *c)
{
	uint64_t began = clock_monotonic_ms();
	int64_t shared;

	if (!c->timeline->shared || began - c->followed_at < FOLLOW_MS)
		return;
	if (chore_transact(c, read_shared, &shared) != STORE_NONE)
		return;
	uint64_t ended = clock_monotonic_ms();
	c->followed_at = ended;
	if (ended - began > READ_MS)
		return;
	timeline_follow(c->timeline, shared, (int64_t)(began + (ended - began) / 2));
	clock_share(chore_steady_ms(c));
}

/* What could not be saved is saved by the next step. */
static enum store_result compare_clocks(struct chores *c, struct chore_state *state)
{
	bool trusted;

	follow_shared(c);
	chores_wall_ms(c, &trusted);
	state->tried = c->clock_unsaved;
	if (!c->clock_unsaved)
		return STORE_NONE;
	enum store_result r = chore_transact(c, save_clock, NULL);
	c->clock_unsaved = r != STORE_OK && r != STORE_NONE;
	return r == STORE_OK ? STORE_NONE : r;
}

int64_t chore_steady_ms(const struct chores *c)
{
	return timeline_steady(c->timeline, (int64_t)clock_monotonic_ms());
}

/* NONE: this is the only node, and nothing was saved. */
static enum store_result read_saved(struct store *store, int64_t *common, struct clock_row *saved)
{
	enum store_result r = store->ops->begin(store);

	if (r != STORE_OK)
		return r;
	r = store->ops->now(store, common);
	if (r == STORE_NONE)
		r = store->ops->clock_get(store, saved);
	store->ops->rollback(store);
	return r;
}

void chores_start_timeline(struct store *store, struct timeline *timeline)
{
	char boot[CLOCK_BOOT_LEN + 1];
	struct clock_row saved = { 0 };
	int64_t common = 0;
	enum store_result r = read_saved(store, &common, &saved);

	clock_boot_id(boot);
	struct clock_reading now = read_clocks(boot);
	log_jump(timeline_start(timeline, r == STORE_OK && !common ? &saved : NULL, &now));
	if (!common)
		return;
	clock_share(common);
	log_difference(timeline_join(timeline, common, &now));
}

const struct chore chore_clock = {
	.label = LABEL_CHORE_CLOCK,
	.scope = CHORE_OF_NODE,
	.step = compare_clocks,
	.period_ms = PERIOD_MS,
	.after_write_ms = PERIOD_MS,
	.begins = "what the clocks show cannot be saved; it is tried again",
	.ends = "what the clocks show is saved again",
};
