/*
 * The periodic work of the store thread, in bounded steps: it finds tasks that were silent for too
 * long, removes expired rows and jobs, makes the file smaller, and checkpoints.  Each chore is a
 * row of the table in chores.c; chore.h says how to add one.
 *
 * If no client writes, a step that leaves work to do is followed by the next one at once.  If
 * clients write, chores get a share of the time between two transactions, however busy the thread
 * is: a tenth, or as much as removing needs to keep up with the writes, which is at most a half.  A
 * failure of a chore is logged once and counted, and the chore is tried again a second later; no
 * failure of a chore ends the thread.
 *
 * One thread.  Times are monotonic milliseconds.
 */
#ifndef JOBLIGHT_WORK_CHORES_H
#define JOBLIGHT_WORK_CHORES_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/core/limits.h"
#include "joblight/core/op.h"
#include "joblight/core/store.h"

struct chores;
struct timeline;

/* Starts the timeline where the last run of the server left it.  If the store fails, it starts as
 * if nothing had been saved. */
void chores_start_timeline(struct store *store, struct timeline *timeline);

/*
 * Commits ops that no client waits for, and publishes their events.  The ops stay the caller's.
 * False: it failed.
 */
typedef bool chores_commit(void *context, struct op *ops);

/* Borrows all arguments for as long as it lives.  The timeline has been started; chores_run() keeps
 * it up to date. */
struct chores *chores_create(struct store *store, const struct limits *limits,
                             struct timeline *timeline, chores_commit *commit, void *context);
void chores_free(struct chores *c); /* NULL is fine */

/* The time of the wall clock, and whether it is trusted: for a while after a jump it is not, see
 * timeline.h. */
int64_t chores_wall_ms(struct chores *c, bool *trusted);

/* Call this when limits have changed: chores whose period depends on them are due at once. */
void chores_limits_changed(struct chores *c);

/*
 * Call this after each transaction, also a failed one: it makes chores due.  `rows`: about how many
 * rows were written; as many may now be there to remove.  `took_us`: how long the transaction took.
 */
void chores_written(struct chores *c, uint64_t rows, uint64_t took_us);

/* Runs one step of each chore that is due.  `busy`: writes are waiting. */
void chores_run(struct chores *c, bool busy);

/* Whether the last check found that the store cannot be used any more. */
bool chores_found_broken(const struct chores *c);

uint64_t chores_rest_ms(const struct chores *c); /* until the next one is due */
void chores_log_counts(const struct chores *c);

#endif
