#include "joblight/core/metric.h"

#define COUNT_OF(array) (unsigned)(sizeof(array) / sizeof((array)[0]))

static const uint64_t times[] = {
#define BOUND(value, text) value,
	METRIC_TIMES
#undef BOUND
};

static const uint64_t sizes[] = {
#define BOUND(value, text) value,
	METRIC_SIZES
#undef BOUND
};

/*
 * The first bucket that a number of so many bits can be in, so that the search for the bucket takes
 * at most a few steps.
 */
static const uint8_t time_starts[] = { 0, 0, 0, 0, 0,  0,  0,  1,  2,  3,  4,  5,  5,
	                               6, 7, 8, 9, 10, 11, 12, 13, 14, 14, 15, 16, 17 };
static const uint8_t size_starts[] = { 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

static inline unsigned bucket_of(const uint64_t *bounds, unsigned count, const uint8_t *starts,
                                 unsigned start_count, uint64_t value)
{
	unsigned bits = value ? 64 - (unsigned)__builtin_clzll(value) : 0;
	unsigned bucket = starts[bits < start_count ? bits : start_count - 1];

	while (bucket < count && value > bounds[bucket])
		bucket++;
	return bucket;
}

static inline void add(struct metric_block *b, unsigned bucket_cell, unsigned sum_cell,
                       uint64_t value)
{
	metrics_block_add(b, bucket_cell, 1);
	metrics_block_add(b, sum_cell, value);
}

/* Not inlined, so that only the first value of a thread saves registers around the call. */
static __attribute__((noinline)) void add_first(unsigned bucket_cell, unsigned sum_cell,
                                                uint64_t value)
{
	add(metrics_join(), bucket_cell, sum_cell, value);
}

static inline void observe(unsigned bucket_cell, unsigned sum_cell, uint64_t value)
{
	if (metrics_own_block)
		add(metrics_own_block, bucket_cell, sum_cell, value);
	else
		add_first(bucket_cell, sum_cell, value);
}

void metric_observe_us(unsigned cell, uint64_t us)
{
	unsigned bucket = bucket_of(times, COUNT_OF(times), time_starts, COUNT_OF(time_starts), us);

	observe(cell + bucket, cell + METRIC_TIMES_CELLS - 1, us);
}

void metric_observe_size(unsigned cell, uint64_t size)
{
	unsigned bucket = bucket_of(sizes, COUNT_OF(sizes), size_starts, COUNT_OF(size_starts),
	                            size);

	observe(cell + bucket, cell + METRIC_SIZES_CELLS - 1, size);
}

uint64_t metrics_total(const struct metric_values *v, unsigned first, unsigned last)
{
	uint64_t sum = 0;

	for (unsigned cell = first; cell <= last; cell++)
		sum += v->cells[cell];
	return sum;
}
