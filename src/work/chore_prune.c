/*
 * Removes expired rows: old idempotency keys, old events of ended jobs and those above a limit, old
 * rows of days, and the rows of deleted jobs.
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

/* Rows in one slice of a step: as many as take an eighth to a quarter of it; rows may be large and
 * disks slow. */
#define BUDGET_MIN 32
#define BUDGET_MAX 1024
#define BUDGET_FIRST 128

/* While there are more rows than a step removes, they are counted this often, up to this many. */
#define COUNT_MS 5000
#define COUNT_MAX 4096
#define BACKLOG_WARN_MS 10000 /* a backlog that lasts this long is logged */

static int64_t before(int64_t now, uint64_t kept_ms)
{
	return kept_ms ? now - (int64_t)kept_ms : INT64_MIN;
}

/* For a while after a jump of the clock nothing counts as old. */
static struct prune_limits prune_limits(struct chores *c)
{
	const struct limits *l = c->limits;
	struct prune_limits p = { INT64_MIN, INT64_MIN, INT64_MIN, l->retention_events,
		                  l->retention_bytes };
	bool trusted;
	int64_t now = chores_wall_ms(c, &trusted);

	if (!trusted)
		return p;
	p.keys_before = before(now, l->idempotency_ms);
	p.logs_before = before(now, l->retention_ms);
	if (l->statistics_ms)
		p.days_before = before(now, l->statistics_ms) / DAY_MS;
	return p;
}

static bool is_urgent(const struct chores *c)
{
	return c->pruning.owed >= OWED_URGENT;
}

static void adapt_budget(struct chores *c, uint64_t took_us, uint64_t whole_us)
{
	if (took_us < whole_us / 8 && c->pruning.budget < BUDGET_MAX)
		c->pruning.budget *= 2;
	if (took_us > whole_us / 4 && c->pruning.budget > BUDGET_MIN)
		c->pruning.budget /= 2;
}

/* When nothing is too old or too much by itself, the whole database may be. */
static enum store_result prune_slice(struct chores *c, const struct prune_limits *limits)
{
	const struct store_ops *ops = c->store->ops;
	struct store_space space;
	enum store_result r = ops->prune(c->store, limits, c->pruning.budget);

	if (r != STORE_NONE || !c->limits->retention_total)
		return r;
	r = ops->space(c->store, &space);
	if (r != STORE_OK)
		return r;
	return space.used > c->limits->retention_total
	           ? ops->prune_oldest(c->store, c->pruning.budget)
	           : STORE_NONE;
}

/* Removes slice after slice for as long as a step may take. */
static enum store_result prune_rows(struct chores *c, void *context)
{
	const struct prune_limits *limits = context;
	uint64_t whole = chore_step_us(c, is_urgent(c)), began = clock_monotonic_us(), now = began;
	enum store_result r = STORE_OK;
	bool some = false;

	while (r == STORE_OK && now - began < whole) {
		uint64_t slice = now;
		r = prune_slice(c, limits);
		now = clock_monotonic_us();
		if (r != STORE_OK)
			break;
		some = true;
		c->pruning.owed -= c->pruning.owed < c->pruning.budget ? c->pruning.owed
		                                                       : c->pruning.budget;
		adapt_budget(c, now - slice, whole);
	}
	return r == STORE_NONE && some ? STORE_OK : r;
}

static enum store_result count_rows(struct chores *c, void *context)
{
	return c->store->ops->prunable(c->store, context, COUNT_MAX, &c->pruning.backlog.rows);
}

static void log_backlog(const struct backlog *b, const char *message)
{
	char rows[24];

	snprintf(rows, sizeof rows, "%" PRIu64, b->rows);
	log_warn(message, b->rows < COUNT_MAX ? "rows" : "rows_at_least", rows);
}

static void count_backlog(struct chores *c, struct prune_limits *limits, uint64_t now)
{
	struct backlog *b = &c->pruning.backlog;

	if (!b->since)
		b->since = b->counted_at = now;
	if (now - b->counted_at < COUNT_MS || chore_transact(c, count_rows, limits) != STORE_OK)
		return;
	b->counted_at = now;
	metric_set(METRIC_BACKLOG, b->rows);
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
	metric_set(METRIC_BACKLOG, 0);
}

static enum store_result prune(struct chores *c, struct chore_state *state)
{
	struct prune_limits limits = prune_limits(c);
	enum store_result r = chore_transact(c, prune_rows, &limits);

	(void)state;
	c->pruning.steps++;
	if (r == STORE_OK)
		count_backlog(c, &limits, clock_monotonic_ms());
	if (r == STORE_NONE) {
		c->pruning.owed = 0;
		end_backlog(&c->pruning.backlog);
	}
	return r;
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
	if (lease_is_held(&c->lease))
		c->pruning.owed += OWED_FACTOR * rows;
}

const struct chore chore_prune = {
	.label = LABEL_CHORE_PRUNE,
	.scope = CHORE_OF_DATABASE,
	.step = prune,
	.period_from = period_ms,
	.after_write_ms = AFTER_WRITE_MS,
	.is_urgent = is_urgent,
	.begins = "what has outlived its time cannot be removed; it is tried again",
	.ends = "what has outlived its time is removed again",
};
