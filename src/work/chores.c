#include "chores.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/timeline.h"
#include "trouble.h"

#define LOOK_MS 250 /* it looks for silent tasks this often, at least */
#define LOOK_AHEAD_MS                                                                              \
	5000          /* and this often, when nothing is written and no task is due within it */
#define PRUNE_MS 1000 /* looks for something to remove this long after a write, at most */
#define PRUNE_REST_MS 60000 /* and at least this often */
#define CHECKPOINT_MS 1000  /* a checkpoint that was held up is tried again this often */
#define RETRY_MS 1000       /* after a failure */
#define CLOCK_MS 1000       /* compares the clocks this often */
#define FILE_MS                                                                                    \
	250 /* looks this often whether the database can still be written, when nobody does */

/*
 * Shares of the thread's time.  While somebody writes, a step is followed by a pause of BUSY_PAUSE
 * times its length.  Rows that were written count against those that are to be removed: as long as
 * fewer than OWED_FACTOR times as many have been removed, a step follows each transaction without a
 * pause.  A step goes on for as long as the usual transaction takes, so who writes never waits for
 * more than one of its own kind.
 */
#define BUSY_PAUSE 9
#define ACTIVE_MS                                                                                  \
	100 /* after the last write somebody writes, although nothing may wait right now */
#define OWED_FACTOR 2
#define OWED_WORTH 1024 /* rows that are worth a step at once */
#define STEP_LEAST_US 100
#define STEP_MOST_US 50000
#define STEP_IDLE_US 3000

/* Rows in one slice of a step: as many as take an eighth to a quarter of it; rows may be large and
 * disks slow. */
#define BUDGET_MIN 32
#define BUDGET_MAX 1024
#define BUDGET_FIRST 128

/* Rows that are overdue are counted this often while there are more than a step removes, up to so
 * many. */
#define OVERDUE_MS 5000
#define OVERDUE_MAX 4096
#define OVERDUE_WARN_MS 10000 /* a backlog that lasts this long is logged */

enum chore_name {
	CHORE_CLOCK,
	CHORE_FILE,
	CHORE_SILENCE,
	CHORE_PRUNE,
	CHORE_CHECKPOINT,
	CHORE_COUNT
};

/* What a chore needs to know of itself. */
struct chore_state {
	uint64_t due;
	uint64_t rest_ms;  /* from a step that leaves nothing behind to the next one */
	uint64_t after_ms; /* from a write to the next step, at most */
	uint64_t steps;
	bool tried; /* false: the last step had nothing to do, which tells nothing of whether it
	               would work */
	struct trouble trouble;
};

/* Rows that should have been removed by now. */
struct backlog {
	uint64_t since, counted_at; /* 0: there is none */
	uint64_t rows, most;
	bool told;
};

struct chores {
	struct store *store;
	const struct limits *limits;
	chores_commit *commit;
	void *context;
	struct timeline *timeline;
	struct chore_state states[CHORE_COUNT];
	uint64_t look_ms;
	uint64_t written_at,
	    write_us;  /* the last write; how long a transaction takes, on average */
	uint64_t owed; /* rows that are to be removed before the next pause */
	size_t budget;
	struct backlog backlog;
	char boot[CLOCK_BOOT_LEN + 1];
	bool clock_unsaved, broken;
};

/* ---- transactions ---- */

typedef enum store_result chore_work(struct chores *c, void *context);

/* Every transaction of a chore: committed when its work answers STORE_OK, rolled back otherwise. */
static enum store_result transact(struct chores *c, chore_work *work, void *context)
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

/* ---- the clocks ---- */

static struct clock_reading read_clocks(const char *boot)
{
	return (struct clock_reading){
		.boot = boot,
		.wall = clock_wall_ms(),
		.monotonic = (int64_t)clock_monotonic_ms(),
		.boottime = (int64_t)clock_boottime_ms(),
	};
}

static void tell_jump(int64_t jump)
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

	tell_jump(timeline_look(c->timeline, &now, &save));
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
	enum store_result r = transact(c, save_clock, NULL);
	c->clock_unsaved = r != STORE_OK;
	return r == STORE_OK ? STORE_NONE : r;
}

static int64_t steady_now(const struct chores *c)
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
	tell_jump(timeline_start(timeline, r == STORE_OK ? &saved : NULL, &now));
}

/* ---- the file ---- */

static enum store_result do_nothing(struct chores *c, void *context)
{
	(void)c, (void)context;
	return STORE_NONE;
}

/* A removed file is noticed by beginning a transaction, also when nobody writes. */
static enum store_result try_store(struct chores *c, struct chore_state *state)
{
	enum store_result r = transact(c, do_nothing, NULL);

	(void)state;
	c->broken = r == STORE_BROKEN;
	return r;
}

bool chores_found_broken(const struct chores *c)
{
	return c->broken;
}

/* ---- tasks that were silent for too long ---- */

struct silence {
	struct op *first, **tail;
	uint64_t count;
	bool soon; /* one will have been within LOOK_AHEAD_MS */
};

static bool add_stall(void *context, const char *job_id, const char *task_id)
{
	struct silence *silence = context;
	struct op *op = op_create(OP_STALL);

	memcpy(op->job_id, job_id, strlen(job_id) + 1);
	memcpy(op->task_id, task_id, strlen(task_id) + 1);
	*silence->tail = op;
	silence->tail = (struct op **)&op->mail.next;
	silence->count++;
	return true;
}

static bool is_one(void *context, const char *job_id, const char *task_id)
{
	(void)job_id, (void)task_id;
	*(bool *)context = true;
	return false;
}

/* It only reads: STORE_NONE, so that nothing is committed. */
static enum store_result find_silence(struct chores *c, void *context)
{
	const struct store_ops *ops = c->store->ops;
	struct silence *silence = context;
	/* Both ends of a silence are cut to milliseconds: it is sure to be long enough one later.
	 */
	int64_t now = steady_now(c) - 1;
	enum store_result r = ops->stalled(c->store, now, c->limits->commit_writes, add_stall,
	                                   silence);

	if (r != STORE_NONE)
		return r == STORE_OK ? STORE_NONE : r;
	r = ops->stalled(c->store, now + LOOK_AHEAD_MS, 1, is_one, &silence->soon);
	return r == STORE_OK ? STORE_NONE : r;
}

static void free_ops(struct op *ops)
{
	for (struct op *next; ops; ops = next) {
		next = (struct op *)ops->mail.next;
		op_free(ops);
	}
}

static enum store_result tell_silence(struct chores *c, struct chore_state *state)
{
	struct silence silence = { .tail = &silence.first };
	enum store_result r = transact(c, find_silence, &silence);
	bool told = silence.first && r == STORE_NONE && c->commit(c->context, silence.first);

	state->rest_ms = silence.first || silence.soon ? c->look_ms : LOOK_AHEAD_MS;
	free_ops(silence.first);
	if (r != STORE_NONE)
		return r;
	return told && silence.count == c->limits->commit_writes ? STORE_OK : STORE_NONE;
}

/* ---- what has outlived its time ---- */

struct horizon {
	int64_t keys_before, logs_before;
};

/* Soon after a jump of the clock nothing is old. */
static struct horizon horizon(struct chores *c)
{
	bool trusted;
	int64_t now = chores_wall_ms(c, &trusted);

	if (!trusted)
		return (struct horizon){ INT64_MIN, INT64_MIN };
	return (struct horizon){ now - (int64_t)c->limits->idempotency_ms,
		                 now - (int64_t)c->limits->retention_ms };
}

static bool active(const struct chores *c, uint64_t now)
{
	return c->written_at && now - c->written_at < ACTIVE_MS;
}

/* Without its commit, which takes about half of a small transaction. */
static uint64_t step_us(const struct chores *c)
{
	uint64_t us = c->owed >= OWED_WORTH ? c->write_us : c->write_us / 2;

	if (!active(c, clock_monotonic_ms()))
		return STEP_IDLE_US;
	return us < STEP_LEAST_US ? STEP_LEAST_US : us > STEP_MOST_US ? STEP_MOST_US : us;
}

static void adapt_budget(struct chores *c, uint64_t took_us, uint64_t whole_us)
{
	if (took_us < whole_us / 8 && c->budget < BUDGET_MAX)
		c->budget *= 2;
	if (took_us > whole_us / 4 && c->budget > BUDGET_MIN)
		c->budget /= 2;
}

/* Slice by slice, for as long as a step may take. */
static enum store_result prune_rows(struct chores *c, void *context)
{
	const struct horizon *h = context;
	uint64_t whole = step_us(c), began = clock_monotonic_us(), now = began;
	enum store_result r = STORE_OK;
	bool some = false;

	while (r == STORE_OK && now - began < whole) {
		uint64_t before = now;
		r = c->store->ops->prune(c->store, h->keys_before, h->logs_before,
		                         c->limits->retention_events, c->budget);
		now = clock_monotonic_us();
		if (r != STORE_OK)
			break;
		some = true;
		c->owed -= c->owed < c->budget ? c->owed : c->budget;
		adapt_budget(c, now - before, whole);
	}
	return r == STORE_NONE && some ? STORE_OK : r;
}

static enum store_result count_rows(struct chores *c, void *context)
{
	const struct horizon *h = context;

	return c->store->ops->overdue(c->store, h->keys_before, h->logs_before,
	                              c->limits->retention_events, OVERDUE_MAX, &c->backlog.rows);
}

static void log_backlog(const struct backlog *b, const char *message)
{
	char rows[24];

	snprintf(rows, sizeof rows, "%" PRIu64, b->rows);
	log_warn(message, b->rows < OVERDUE_MAX ? "rows" : "rows_at_least", rows);
}

static void count_backlog(struct chores *c, const struct horizon *h, uint64_t now)
{
	struct backlog *b = &c->backlog;

	if (!b->since)
		b->since = b->counted_at = now;
	if (now - b->counted_at < OVERDUE_MS ||
	    transact(c, count_rows, (void *)(uintptr_t)h) != STORE_OK)
		return;
	b->counted_at = now;
	b->most = b->rows > b->most ? b->rows : b->most;
	if (!b->told && now - b->since >= OVERDUE_WARN_MS) {
		log_backlog(b, "more is to be removed than there is time for; it goes on in steps");
		b->told = true;
	}
}

static void end_backlog(struct backlog *b)
{
	if (b->told)
		log_info("everything that was to be removed is");
	b->told = false;
	b->since = b->rows = 0;
}

static enum store_result prune(struct chores *c, struct chore_state *state)
{
	struct horizon h = horizon(c);
	enum store_result r = transact(c, prune_rows, &h);

	(void)state;
	if (r == STORE_OK)
		count_backlog(c, &h, clock_monotonic_ms());
	if (r == STORE_NONE) {
		c->owed = 0;
		end_backlog(&c->backlog);
	}
	return r;
}

/* A tenth of the shortest time that something is kept. */
static uint64_t prune_rest_ms(const struct limits *limits)
{
	uint64_t shortest = limits->retention_ms;

	if (limits->idempotency_ms < shortest)
		shortest = limits->idempotency_ms;
	uint64_t tenth = shortest / 10;
	return tenth < PRUNE_MS ? PRUNE_MS : tenth > PRUNE_REST_MS ? PRUNE_REST_MS : tenth;
}

/* ---- the write-ahead log ---- */

static enum store_result checkpoint(struct chores *c, struct chore_state *state)
{
	enum store_result r = c->store->ops->checkpoint(c->store);

	state->tried = r != STORE_NONE;
	return r == STORE_OK ? STORE_NONE : r;
}

/* ---- the table ---- */

/* A step: STORE_OK when more is left to do, STORE_NONE when nothing is; anything else: it failed.
 */
static const struct chore {
	enum store_result (*step)(struct chores *c, struct chore_state *state);
	const char *begins, *ends;
} table[CHORE_COUNT] = {
	[CHORE_CLOCK] = { compare_clocks, "what the clocks show cannot be saved; it is tried again",
	                  "what the clocks show is saved again" },
	[CHORE_FILE] = { try_store, "the database cannot be written",
	                 "the database can be written again" },
	[CHORE_SILENCE] = { tell_silence, "silent tasks cannot be looked for; it is tried again",
	                    "silent tasks are looked for again" },
	[CHORE_PRUNE] = { prune, "what has outlived its time cannot be removed; it is tried again",
	                  "what has outlived its time is removed again" },
	[CHORE_CHECKPOINT] = { checkpoint,
	                       "the write-ahead log cannot be copied into the database; it is "
	                       "tried again",
	                       "the write-ahead log is copied into the database again" },
};

/* When a step that left something behind is followed by the next one. */
static uint64_t next_step(const struct chores *c, enum chore_name which, bool busy,
                          uint64_t took_us)
{
	uint64_t now = clock_monotonic_ms();

	if (which == CHORE_PRUNE && c->owed >= OWED_WORTH)
		return now;
	return busy || active(c, now) ? now + (BUSY_PAUSE * took_us + 999) / 1000 : now;
}

static void run_step(struct chores *c, enum chore_name which, bool busy)
{
	struct chore_state *state = &c->states[which];
	uint64_t began = clock_monotonic_us(), now;
	enum store_result r;

	state->tried = true;
	r = table[which].step(c, state);
	now = clock_monotonic_ms();
	state->steps++;
	if (r == STORE_OK)
		state->due = next_step(c, which, busy, clock_monotonic_us() - began);
	else if (r == STORE_NONE)
		state->due = now + state->rest_ms;
	else
		state->due = now + RETRY_MS;
	if (r != STORE_OK && r != STORE_NONE)
		trouble_failed(&state->trouble, store_error(c->store), now);
	else if (state->tried || state->trouble.works)
		trouble_passed(&state->trouble, now);
}

void chores_run(struct chores *c, bool busy)
{
	for (int i = 0; i < CHORE_COUNT; i++) {
		uint64_t now = clock_monotonic_ms();
		if (now >= c->states[i].due)
			run_step(c, (enum chore_name)i, busy);
	}
}

void chores_written(struct chores *c, uint64_t rows, uint64_t took_us)
{
	uint64_t now = clock_monotonic_ms();

	c->written_at = now;
	if (rows)
		c->write_us = c->write_us ? (7 * c->write_us + took_us) / 8 : took_us;
	c->owed += OWED_FACTOR * rows;
	if (c->owed >= OWED_WORTH && now < c->states[CHORE_PRUNE].due &&
	    !c->states[CHORE_PRUNE].trouble.failing)
		c->states[CHORE_PRUNE].due = now;
	for (int i = 0; i < CHORE_COUNT; i++)
		if (now + c->states[i].after_ms < c->states[i].due)
			c->states[i].due = now + c->states[i].after_ms;
}

uint64_t chores_rest_ms(const struct chores *c)
{
	uint64_t now = clock_monotonic_ms(), due = UINT64_MAX;

	for (int i = 0; i < CHORE_COUNT; i++)
		due = c->states[i].due < due ? c->states[i].due : due;
	return due > now ? due - now : 0;
}

void chores_log_counts(const struct chores *c)
{
	char overdue[24], steps[24], failures[24];

	snprintf(overdue, sizeof overdue, "%" PRIu64, c->backlog.most);
	snprintf(steps, sizeof steps, "%" PRIu64, c->states[CHORE_PRUNE].steps);
	uint64_t failed = 0;
	for (int i = 0; i < CHORE_COUNT; i++)
		failed += c->states[i].trouble.total;
	snprintf(failures, sizeof failures, "%" PRIu64, failed);
	log_info("counted by the store thread", "prune_steps", steps, "overdue_max", overdue,
	         "chores_failed", failures);
}

/* A quarter of the shortest silence that counts, so that none is noticed late by more. */
static uint64_t look_ms(const struct limits *limits)
{
	uint64_t quarter = limits->min_silence_ms / 4;

	return quarter < 10 ? 10 : quarter > LOOK_MS ? LOOK_MS : quarter;
}

struct chores *chores_create(struct store *store, const struct limits *limits,
                             struct timeline *timeline, chores_commit *commit, void *context)
{
	struct chores *c = xcalloc(1, sizeof(*c));

	c->store = store;
	c->limits = limits;
	c->commit = commit;
	c->context = context;
	c->timeline = timeline;
	c->clock_unsaved = true;
	clock_boot_id(c->boot);
	c->look_ms = look_ms(limits);
	c->budget = BUDGET_FIRST;
	c->states[CHORE_CLOCK] = (struct chore_state){ .rest_ms = CLOCK_MS, .after_ms = CLOCK_MS };
	c->states[CHORE_FILE] = (struct chore_state){ .rest_ms = FILE_MS, .after_ms = FILE_MS };
	c->states[CHORE_SILENCE] = (struct chore_state){ .rest_ms = c->look_ms,
		                                         .after_ms = c->look_ms };
	c->states[CHORE_PRUNE] = (struct chore_state){ .rest_ms = prune_rest_ms(limits),
		                                       .after_ms = PRUNE_MS };
	c->states[CHORE_CHECKPOINT] = (struct chore_state){ .rest_ms = CHECKPOINT_MS,
		                                            .after_ms = 0 };
	for (int i = 0; i < CHORE_COUNT; i++) {
		c->states[i].trouble.begins = table[i].begins;
		c->states[i].trouble.ends = table[i].ends;
	}
	return c;
}

void chores_free(struct chores *c)
{
	free(c);
}
