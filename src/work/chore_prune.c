/*
 * Removes expired rows: old idempotency keys, old events of ended jobs, and the rows of deleted
 * jobs.
 *
 * Written rows count against removed ones: until OWED_FACTOR times as many have been removed, a
 * step follows each transaction without a pause.  A step takes as long as the usual transaction, so
 * a writer never waits for more than one of its own kind.
 */
#include <inttypes.h>
#include <stdio.h>

#include "chore.h"
#include "joblight/base/log.h"

#define PERIOD_MIN_MS 1000
#define PERIOD_MAX_MS 60000
#define AFTER_WRITE_MS 1000

#define OWED_FACTOR 2
#define OWED_URGENT 1024 /* rows that are worth a step without a pause */
#define STEP_MIN_US 100
#define STEP_MAX_US 50000
#define STEP_IDLE_US 3000

/* Rows in one slice of a step: as many as take an eighth to a quarter of it; rows may be large and
 * disks slow. */
#define BUDGET_MIN 32
#define BUDGET_MAX 1024
#define BUDGET_FIRST 128

/* While there are more rows than a step removes, they are counted this often, up to this many. */
#define COUNT_MS 5000
#define COUNT_MAX 4096
#define BACKLOG_WARN_MS 10000 /* a backlog that lasts this long is logged */

struct horizon {
	int64_t keys_before, logs_before;
};

/* For a while after a jump of the clock nothing counts as old. */
static struct horizon horizon(struct chores *c)
{
	bool trusted;
	int64_t now = chores_wall_ms(c, &trusted);

	if (!trusted)
		return (struct horizon){ INT64_MIN, INT64_MIN };
	return (struct horizon){ now - (int64_t)c->limits->idempotency_ms,
		                 now - (int64_t)c->limits->retention_ms };
}

/* How long a step may take, without its commit, which is about half of a small transaction. */
static uint64_t step_us(const struct chores *c)
{
	uint64_t us = c->pruning.owed >= OWED_URGENT ? c->write_us : c->write_us / 2;

	if (!chore_writes_are_recent(c, clock_monotonic_ms()))
		return STEP_IDLE_US;
	return us < STEP_MIN_US ? STEP_MIN_US : us > STEP_MAX_US ? STEP_MAX_US : us;
}

static void adapt_budget(struct chores *c, uint64_t took_us, uint64_t whole_us)
{
	if (took_us < whole_us / 8 && c->pruning.budget < BUDGET_MAX)
		c->pruning.budget *= 2;
	if (took_us > whole_us / 4 && c->pruning.budget > BUDGET_MIN)
		c->pruning.budget /= 2;
}

/* Removes slice after slice for as long as a step may take. */
static enum store_result prune_rows(struct chores *c, void *context)
{
	const struct horizon *h = context;
	uint64_t whole = step_us(c), began = clock_monotonic_us(), now = began;
	enum store_result r = STORE_OK;
	bool some = false;

	while (r == STORE_OK && now - began < whole) {
		uint64_t before = now;
		r = c->store->ops->prune(c->store, h->keys_before, h->logs_before,
		                         c->limits->retention_events, c->pruning.budget);
		now = clock_monotonic_us();
		if (r != STORE_OK)
			break;
		some = true;
		c->pruning.owed -= c->pruning.owed < c->pruning.budget ? c->pruning.owed
		                                                       : c->pruning.budget;
		adapt_budget(c, now - before, whole);
	}
	return r == STORE_NONE && some ? STORE_OK : r;
}

static enum store_result count_rows(struct chores *c, void *context)
{
	const struct horizon *h = context;

	return c->store->ops->prunable(c->store, h->keys_before, h->logs_before,
	                               c->limits->retention_events, COUNT_MAX,
	                               &c->pruning.backlog.rows);
}

static void log_backlog(const struct backlog *b, const char *message)
{
	char rows[24];

	snprintf(rows, sizeof rows, "%" PRIu64, b->rows);
	log_warn(message, b->rows < COUNT_MAX ? "rows" : "rows_at_least", rows);
}

static void count_backlog(struct chores *c, const struct horizon *h, uint64_t now)
{
	struct backlog *b = &c->pruning.backlog;

	if (!b->since)
		b->since = b->counted_at = now;
	if (now - b->counted_at < COUNT_MS ||
	    chore_transact(c, count_rows, (void *)(uintptr_t)h) != STORE_OK)
		return;
	b->counted_at = now;
	b->max_rows = b->rows > b->max_rows ? b->rows : b->max_rows;
	if (!b->logged && now - b->since >= BACKLOG_WARN_MS) {
		log_backlog(b, "more is to be removed than there is time for; it goes on in steps");
		b->logged = true;
	}
}

static void end_backlog(struct backlog *b)
{
	if (b->logged)
		log_info("everything that was to be removed is");
	b->logged = false;
	b->since = b->rows = 0;
}

static enum store_result prune(struct chores *c, struct chore_state *state)
{
	struct horizon h = horizon(c);
	enum store_result r = chore_transact(c, prune_rows, &h);

	(void)state;
	c->pruning.steps++;
	if (r == STORE_OK)
		count_backlog(c, &h, clock_monotonic_ms());
	if (r == STORE_NONE) {
		c->pruning.owed = 0;
		end_backlog(&c->pruning.backlog);
	}
	return r;
}

static bool is_urgent(const struct chores *c)
{
	return c->pruning.owed >= OWED_URGENT;
}

/* A tenth of the shortest time that something is kept. */
static uint64_t period_ms(const struct limits *limits)
{
	uint64_t shortest = limits->retention_ms;

	if (limits->idempotency_ms < shortest)
		shortest = limits->idempotency_ms;
	uint64_t tenth = shortest / 10;
	return tenth < PERIOD_MIN_MS   ? PERIOD_MIN_MS
	       : tenth > PERIOD_MAX_MS ? PERIOD_MAX_MS
	                               : tenth;
}

void chore_prune_init(struct chores *c)
{
	c->pruning.budget = BUDGET_FIRST;
}

void chore_prune_written(struct chores *c, uint64_t rows)
{
	c->pruning.owed += OWED_FACTOR * rows;
}

const struct chore chore_prune = {
	.step = prune,
	.period_from = period_ms,
	.after_write_ms = AFTER_WRITE_MS,
	.is_urgent = is_urgent,
	.begins = "what has outlived its time cannot be removed; it is tried again",
	.ends = "what has outlived its time is removed again",
};
