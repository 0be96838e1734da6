/*
 * Counts of times in microseconds, in steps of 1/32 of their value: a percentile is at most 3 % too
 * high.
 */
#ifndef JOBLIGHT_CLI_BENCH_HISTOGRAM_H
#define JOBLIGHT_CLI_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 32
#define HISTOGRAM_CELLS (HISTOGRAM_STEPS * 40)

struct histogram {
	uint64_t cells[HISTOGRAM_CELLS];
	uint64_t count;
};

void histogram_add(struct histogram *h, uint64_t us);
/* The time that `percent` of the counted ones do not exceed, in milliseconds; 0 without any. */
double histogram_ms(const struct histogram *h, double percent);

#endif
