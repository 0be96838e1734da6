/* Latencies in nanoseconds, counted in buckets that are at most 1/64 wide: constant memory, no
 * sorting. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS (64 * 40)

struct histogram {
	uint64_t count;
	uint64_t max;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t ns);

/* The upper end of the bucket in which the quantile (0..1) lies; 0 when nothing was counted. */
uint64_t histogram_quantile(const struct histogram *h, double quantile);

#endif
