/*
 * The pause between two rounds of a paced channel, computed from the load of the loop.
 *
 * The demand is the share of a core that the loop would need if it wrote every event to every
 * watcher separately: the share that it uses, times the events per write.  It does not depend on
 * the current pause, so the pause does not oscillate.  Below DEMAND_LOW there is no pause; from
 * there it grows linearly to its maximum at DEMAND_HIGH.
 *
 * The caller passes all times.  One thread.
 */
#ifndef JOBLIGHT_CORE_PACE_H
#define JOBLIGHT_CORE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SAMPLE_MS 25 /* the shortest time over which a share is measured */

/* The work of a loop since it began.  The counts never decrease. */
struct pace_sample {
	uint64_t wall_us, cpu_us; /* the time, and the processor time of the thread */
	uint64_t events, writes;  /* events delivered, and the writes they took */
};

struct pace {
	struct pace_sample last;
	double demand; /* smoothed; 1: all of a core */
	uint64_t max_ms, ms;
};

/* The pause is 0 at first. */
void pace_init(struct pace *p, uint64_t max_ms, const struct pace_sample *now);

/* Whether a sample is due.  `wall_us` may be shortly before the last sample. */
bool pace_is_due(const struct pace *p, uint64_t wall_us);

/* Takes a sample and returns the new pause in milliseconds. */
uint64_t pace_take(struct pace *p, const struct pace_sample *now);

#endif
