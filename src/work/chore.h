/*
 * What the chores of the store thread share.  A chore is one file chore_NOUN.c, which defines its
 * row, and one entry in the table of chores.c, which runs it and handles its failures.
 *
 * One thread.  Times are monotonic milliseconds unless the name says otherwise.
 */
#ifndef JOBLIGHT_WORK_CHORE_H
#define JOBLIGHT_WORK_CHORE_H

#include "chores.h"
#include "joblight/base/clock.h"
#include "joblight/core/metric.h"
#include "lease.h"
#include "trouble.h"

struct chore_state;

/* Who does it, where several nodes use the database. */
enum chore_scope {
	CHORE_OF_NODE,     /* every node: it is about its own clock, connection or file */
	CHORE_OF_FILE,     /* the only node of a database that is its file */
	CHORE_OF_DATABASE, /* the node that has the lease */
};

struct chore {
	enum label_CHORE label; /* in the metrics */
	enum chore_scope scope;
	/*
	 * Does one bounded step.  STORE_OK: more is left to do.  STORE_NONE: nothing is left.
	 * Anything else: it failed, and the cause is the error of the store.
	 */
	enum store_result (*step)(struct chores *c, struct chore_state *state);
	/* The pause after a step that left nothing to do: a number, or computed from the limits. */
	uint64_t period_ms;
	uint64_t (*period_from)(const struct limits *limits);
	/* A write makes a step due after this time, or after the period if that is shorter. */
	uint64_t after_write_ms;
	/* Whether its next step must not wait for a pause; NULL: never. */
	bool (*is_urgent)(const struct chores *c);
	const char *begins, *ends; /* log messages: it began to fail; it works again */
};

extern const struct chore chore_clock, chore_file, chore_silence, chore_expire, chore_prune,
    chore_space, chore_checkpoint;

struct chore_state {
	const struct chore *chore;
	uint64_t due;
	uint64_t
	    not_before; /* the last step has found nothing, and writes alone do not change that */
	uint64_t period_ms, after_write_ms;
	/* The pause if this step leaves nothing to do: period_ms, unless the step sets another. */
	uint64_t rest_ms;
	/* The step sets it to false when it had nothing to do: that is no proof that it works. */
	bool tried;
	struct trouble trouble;
};

/* Rows that should have been removed by now. */
struct backlog {
	uint64_t since, counted_at; /* 0: there is no backlog */
	uint64_t rows, max_rows;
	bool logged;
};

struct pruning {
	uint64_t owed; /* rows to be removed before the next pause */
	size_t budget; /* rows in one slice of a step */
	uint64_t steps;
	struct backlog backlog;
};

struct chores {
	struct store *store;
	const struct limits *limits;
	chores_commit *commit;
	void *context;
	struct timeline *timeline;
	struct lease lease;  /* of the chores of the database */
	uint64_t written_at; /* the last write */
	uint64_t write_us;   /* how long a transaction takes, on average */
	struct pruning pruning;
	char boot[CLOCK_BOOT_LEN + 1];
	uint64_t followed_at; /* when the clock of the database was last read */
	bool clock_unsaved, broken;
	struct chore_state states[]; /* in the order of the table */
};

typedef enum store_result chore_work(struct chores *c, void *context);

/* Every transaction of a chore: committed when `work` returns STORE_OK, else rolled back. */
enum store_result chore_transact(struct chores *c, chore_work *work, void *context);

/* Whether the last write was so recent that more are likely to come. */
bool chore_writes_are_recent(const struct chores *c, uint64_t now);

int64_t chore_steady_ms(const struct chores *c); /* see timeline.h */

/* How long a step that removes or moves rows may take, without its commit: about as long as a
 * write, so that none waits for much more than another write. */
uint64_t chore_step_us(const struct chores *c, bool urgent);

/* Sets up `pruning`, and counts the rows of a write against those that are to be removed. */
void chore_prune_init(struct chores *c);
void chore_prune_written(struct chores *c, uint64_t rows);

#endif
