/*
 * What the store thread does by itself, in bounded steps: it notices tasks that were silent for too
 * long, removes what has outlived its time, and checkpoints.  Each chore is a row of the table in
 * chores.c.
 *
 * A step that leaves work behind is followed by the next one at once while nobody writes.  While
 * somebody does, chores get a share of the time between two transactions, however busy the thread
 * is: a tenth, or as much as removing takes to keep up with what is written, which is a half at
 * most.  A chore that fails is logged once, counted, and tried again a second later; no failure of
 * a chore ends the thread.
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

/* Starts the timeline where the last run of the server left it.  A store that fails is as one
 * without a row. */
void chores_start_timeline(struct store *store, struct timeline *timeline);

/* Commits ops that nobody waits for and hands out their events; they stay the caller's.  False: it
 * failed. */
typedef bool chores_commit(void *context, struct op *ops);

/* All are borrowed for as long as it lives.  The timeline has been started; chores_run() keeps it.
 */
struct chores *chores_create(struct store *store, const struct limits *limits,
                             struct timeline *timeline, chores_commit *commit, void *context);
void chores_free(struct chores *c); /* NULL is fine */

/* The wall clock's time, and whether it is trusted: not soon after it has jumped, see timeline.h.
 */
int64_t chores_wall_ms(struct chores *c, bool *trusted);

/*
 * Something was committed, or should have been: what it makes due is looked for soon.  `rows`:
 * about how many rows were written; as many may have become superfluous.  `took_us`: how long the
 * transaction took.
 */
void chores_written(struct chores *c, uint64_t rows, uint64_t took_us);

/* At most one step of each chore that is due.  `busy`: writes wait meanwhile. */
void chores_run(struct chores *c, bool busy);

/* Whether the last look found that the store cannot be used any more. */
bool chores_found_broken(const struct chores *c);

uint64_t chores_rest_ms(const struct chores *c); /* until the next one is due */
void chores_log_counts(const struct chores *c);

#endif
