#include "chores.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "chore.h"
#include "joblight/base/log.h"
#include "joblight/base/xalloc.h"

#define RETRY_MS 1000 /* the pause after a failure, */
#define EMPTY_MS 50   /* ... after a step that has found nothing, however much was written */
#define BUSY_PAUSE 9  /* while clients write, the pause is as many times as long as the step */

static const struct chore *const table[] = {
	&chore_clock, &chore_file,  &chore_silence,    &chore_expire,
	&chore_prune, &chore_space, &chore_checkpoint,
};
#define CHORE_COUNT (sizeof(table) / sizeof(table[0]))

static uint64_t pause_ms(uint64_t took_us)
{
	return (BUSY_PAUSE * took_us + 999) / 1000;
}

/* When a step that left something to do is followed by the next one. */
static uint64_t next_step(const struct chores *c, const struct chore *chore, bool busy,
                          uint64_t took_us)
{
	uint64_t now = clock_monotonic_ms();

	if (chore->is_urgent && chore->is_urgent(c))
		return now;
	return busy || chore_writes_are_recent(c, now) ? now + pause_ms(took_us) : now;
}

static void observe(const struct chore_state *state, enum store_result r)
{
	bool failed = r != STORE_OK && r != STORE_NONE;
	unsigned label = state->chore->label;

	metric_count(METRIC_CHORE_RUNS + label);
	if (failed)
		metric_count(METRIC_CHORE_FAILURES + label);
	if (failed || state->tried)
		metric_set(METRIC_CHORE_FAILING + label, failed);
}

/* Every result of a chore comes through here, so this is where its failures are handled. */
static void run_step(struct chores *c, struct chore_state *state, bool busy)
{
	uint64_t began = clock_monotonic_us(), now, took_us;
	enum store_result r;

	state->tried = true;
	state->rest_ms = state->period_ms;
	r = state->chore->step(c, state);
	now = clock_monotonic_ms();
	took_us = clock_monotonic_us() - began;
	state->not_before = r == STORE_NONE && state->chore->is_urgent ? now + EMPTY_MS : 0;
	if (r == STORE_OK)
		state->due = next_step(c, state->chore, busy, took_us);
	else if (r == STORE_NONE)
		state->due = now + state->rest_ms;
	else
		state->due = now + RETRY_MS;
	observe(state, r);
	if (r != STORE_OK && r != STORE_NONE)
		trouble_failed(&state->trouble, store_error(c->store), now);
	else if (state->tried || state->trouble.works)
		trouble_passed(&state->trouble, now);
}

static bool is_of_database(const struct chore_state *state)
{
	return state->chore->scope == CHORE_OF_DATABASE;
}

/* A server of a database does it by itself. */
static bool is_never(const struct chores *c, const struct chore_state *state)
{
	return state->chore->scope == CHORE_OF_FILE && !c->store->ops->exclusive;
}

/* Nobody knows when the last node has done them. */
static void take_over(struct chores *c)
{
	log_info("this node looks for silent tasks and removes what has expired, for all nodes");
	for (size_t i = 0; i < CHORE_COUNT; i++)
		if (is_of_database(&c->states[i]))
			c->states[i].due = clock_monotonic_ms();
}

/* If another node does it, it fails there or not at all. */
static void leave_chore(const struct chores *c, struct chore_state *state)
{
	state->due = lease_due(&c->lease);
	if (!c->lease.is_elsewhere || !state->trouble.failing)
		return;
	metric_set(METRIC_CHORE_FAILING + state->chore->label, 0);
	trouble_passed(&state->trouble, clock_monotonic_ms());
}

void chores_run(struct chores *c, bool busy)
{
	if (lease_tick(&c->lease))
		take_over(c);
	for (size_t i = 0; i < CHORE_COUNT; i++) {
		struct chore_state *state = &c->states[i];
		if (is_never(c, state) || clock_monotonic_ms() < state->due)
			continue;
		if (is_of_database(state) && !lease_is_held(&c->lease))
			leave_chore(c, state);
		else
			run_step(c, state, busy);
	}
}

/* The write makes the chore due earlier, never later. */
static void chore_written(const struct chores *c, struct chore_state *state, uint64_t now)
{
	const struct chore *chore = state->chore;
	bool urgent = chore->is_urgent && chore->is_urgent(c) && !state->trouble.failing;
	uint64_t due = now + (urgent ? 0 : state->after_write_ms);

	if (due < state->not_before)
		due = state->not_before;
	if (due < state->due)
		state->due = due;
}

void chores_written(struct chores *c, uint64_t rows, uint64_t took_us)
{
	uint64_t now = clock_monotonic_ms();

	c->written_at = now;
	if (rows)
		c->write_us = c->write_us ? (7 * c->write_us + took_us) / 8 : took_us;
	chore_prune_written(c, rows);
	for (size_t i = 0; i < CHORE_COUNT; i++)
		chore_written(c, &c->states[i], now);
}

bool chores_found_broken(const struct chores *c)
{
	return c->broken;
}

uint64_t chores_rest_ms(const struct chores *c)
{
	uint64_t now = clock_monotonic_ms(), due = lease_due(&c->lease);

	for (size_t i = 0; i < CHORE_COUNT; i++)
		if (!is_never(c, &c->states[i]) && c->states[i].due < due)
			due = c->states[i].due;
	return due > now ? due - now : 0;
}

void chores_log_counts(const struct chores *c)
{
	char overdue[24], steps[24], failures[24];
	uint64_t failed = 0;

	for (size_t i = 0; i < CHORE_COUNT; i++)
		failed += c->states[i].trouble.total;
	snprintf(overdue, sizeof overdue, "%" PRIu64, c->pruning.backlog.max_rows);
	snprintf(steps, sizeof steps, "%" PRIu64, c->pruning.steps);
	snprintf(failures, sizeof failures, "%" PRIu64, failed);
	log_info("counted by the store thread", "prune_steps", steps, "overdue_max", overdue,
	         "chores_failed", failures);
}

static void set_period(struct chore_state *state, const struct limits *limits)
{
	const struct chore *chore = state->chore;
	uint64_t period = chore->period_from ? chore->period_from(limits) : chore->period_ms;

	state->period_ms = period;
	state->after_write_ms = chore->after_write_ms < period ? chore->after_write_ms : period;
}

void chores_limits_changed(struct chores *c)
{
	for (size_t i = 0; i < CHORE_COUNT; i++) {
		struct chore_state *state = &c->states[i];
		if (!state->chore->period_from)
			continue;
		set_period(state, c->limits);
		state->due = clock_monotonic_ms();
	}
}

struct chores *chores_create(struct store *store, const struct limits *limits,
                             struct timeline *timeline, chores_commit *commit, void *context)
{
	struct chores *c = xcalloc(1, sizeof(*c) + CHORE_COUNT * sizeof(c->states[0]));

	c->store = store;
	c->limits = limits;
	c->commit = commit;
	c->context = context;
	c->timeline = timeline;
	c->clock_unsaved = true;
	c->followed_at = clock_monotonic_ms();
	clock_boot_id(c->boot);
	lease_init(&c->lease, store, "chores");
	chore_prune_init(c);
	for (size_t i = 0; i < CHORE_COUNT; i++) {
		c->states[i].chore = table[i];
		c->states[i].trouble.begins = table[i]->begins;
		c->states[i].trouble.ends = table[i]->ends;
		set_period(&c->states[i], limits);
	}
	return c;
}

void chores_free(struct chores *c)
{
	free(c);
}
