/*
 * Steady time: milliseconds that begin near the wall clock's and never jump.  The silence of tasks
 * is measured in it, because the wall clock may be set while they work.
 *
 * While the process runs, steady time follows the monotonic clock.  After a restart it continues
 * from the saved row: by the monotonic clock when the machine was not rebooted, otherwise by the
 * wall clock, where a clock that went back counts as no time.
 *
 * A jump of the wall clock is detected with the boot-time clock, which also runs while the machine
 * sleeps.  Everything that depends on wall time then waits until `trusted`, because a wrong clock
 * is often corrected soon.
 *
 * The caller passes the clock readings.  One thread.
 */
#ifndef JOBLIGHT_CORE_TIMELINE_H
#define JOBLIGHT_CORE_TIMELINE_H

#include "joblight/core/store.h"

#define TIMELINE_JUMP_MS 1000 /* a smaller difference is a normal adjustment */
#define TIMELINE_WAIT_MS                                                                           \
	3600000 /* of steady time, from a jump until the wall clock is trusted again */

/* All clocks at one moment. */
struct clock_reading {
	const char *boot; /* the id of this boot */
	int64_t wall, monotonic, boottime;
};

struct timeline {
	struct clock_row row; /* the last row that is to be saved */
	int64_t steady_minus_monotonic;
	int64_t wall_minus_boottime;
	bool shared; /* steady time began with a clock that all nodes share */
};

/*
 * `saved` is NULL if there is none.  Returns the jump since then in ms, or 0 if none was detected.
 */
int64_t timeline_start(struct timeline *t, const struct clock_row *saved,
                       const struct clock_reading *now);

/*
 * Steady time is what a clock shows that all nodes share: the deadlines that one of them stores are
 * then right for the others.  When the wall clock of this machine shows something else, it is not
 * trusted for a while.  Returns the difference in ms, or 0 if there is none to speak of.
 */
int64_t timeline_join(struct timeline *t, int64_t shared_ms, const struct clock_reading *now);

/*
 * The clock that nodes share shows `shared_ms`: steady time follows it, because the clocks of two
 * machines never run equally fast.  When it has jumped, steady time goes on without it, as on the
 * other nodes that run.
 */
void timeline_follow(struct timeline *t, int64_t shared_ms, int64_t monotonic);

int64_t timeline_steady(const struct timeline *t, int64_t monotonic);

/* Compares the clocks and returns the jump since the last call, or 0.  *save: t->row has changed
 * and is to be saved. */
int64_t timeline_look(struct timeline *t, const struct clock_reading *now, bool *save);

/* Whether the last jump is too recent for the wall clock to be trusted. */
bool timeline_waits(const struct timeline *t, int64_t monotonic);

#endif
