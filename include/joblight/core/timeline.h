/*
 * Steady time: milliseconds that start near the wall clock's and never jump.  The silence of tasks
 * is measured in it, because the wall clock may be set while they work.
 *
 * While the process runs, steady time goes with the monotonic clock.  A restart goes on from the
 * saved row: by the monotonic clock when the machine has not been booted since, by the wall clock
 * otherwise, in which case a clock that went back counts as no time at all.
 *
 * A jump of the wall clock is recognised by the boot-time clock, which also runs while the machine
 * sleeps. What depends on wall time then waits until `trusted`, because a wrong clock is often set
 * right soon.
 *
 * Pure: the readings are given.  One thread.
 */
#ifndef JOBLIGHT_CORE_TIMELINE_H
#define JOBLIGHT_CORE_TIMELINE_H

#include "joblight/core/store.h"

#define TIMELINE_JUMP_MS 1000 /* a smaller difference is the usual adjustment */
#define TIMELINE_WAIT_MS                                                                           \
	3600000 /* of steady time, from a jump until the wall clock is trusted again */

/* All clocks at one moment. */
struct clock_reading {
	const char *boot; /* the id of this boot */
	int64_t wall, monotonic, boottime;
};

struct timeline {
	struct clock_row row; /* the last one that is to be saved */
	int64_t steady_minus_monotonic;
	int64_t wall_minus_boottime;
};

/* `saved` is NULL when there is none.  The jump that happened meanwhile, in ms; 0: none that can be
 * seen. */
int64_t timeline_start(struct timeline *t, const struct clock_row *saved,
                       const struct clock_reading *now);

int64_t timeline_steady(const struct timeline *t, int64_t monotonic);

/* Compares the clocks: the jump since the last time, or 0.  *save: t->row has changed and is to be
 * saved. */
int64_t timeline_look(struct timeline *t, const struct clock_reading *now, bool *save);

/* Whether it is too soon after a jump to go by the wall clock. */
bool timeline_waits(const struct timeline *t, int64_t monotonic);

#endif
