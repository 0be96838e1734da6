/*
 * How long the pause between two rounds of a channel with many watchers is, from how busy the loop
 * is.
 *
 * The demand is what share of a core the loop would need if it wrote every event to every watcher
 * by itself: the share that it uses, times the events per write.  It does not depend on the pause
 * that is in force, so the pause does not swing.  Below DEMAND_LOW there is no pause; from there it
 * grows to its maximum at DEMAND_HIGH.
 *
 * No clock: times come in.  One thread.
 */
#ifndef JOBLIGHT_CORE_PACE_H
#define JOBLIGHT_CORE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SAMPLE_MS 25 /* the shortest time that a share is measured over */

/* What a loop has done since it began; each figure only grows. */
struct pace_sample {
	uint64_t wall_us, cpu_us; /* the time, and that of a core the thread has used */
	uint64_t events, writes;  /* events delivered, in so many writes */
};

struct pace {
	struct pace_sample last;
	double demand; /* smoothed; 1: all of a core */
	uint64_t max_ms, ms;
};

/* Begins without a pause. */
void pace_init(struct pace *p, uint64_t max_ms, const struct pace_sample *now);

/* Whether a sample is worth taking at this time, which may be one shortly before the last sample.
 */
bool pace_is_due(const struct pace *p, uint64_t wall_us);

/* Takes a sample; returns the pause that is right from now on, in milliseconds. */
uint64_t pace_take(struct pace *p, const struct pace_sample *now);

#endif
