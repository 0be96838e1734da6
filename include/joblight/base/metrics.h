/*
 * Cells that threads count in, and that any thread reads.
 *
 * Each thread has a block of cells of its own, so that counting needs neither a lock nor an atomic
 * addition: it is a relaxed load and a relaxed store.  A reader sums the blocks of all threads.  A
 * block outlives its thread with what was counted, and the next thread goes on with it, so a sum
 * never decreases unless somebody subtracts.  What a cell means is the business of its users; see
 * joblight/core/metric.h.
 *
 * A source adds what nobody counts and what can be asked for, such as the length of a queue.
 */
#ifndef JOBLIGHT_BASE_METRICS_H
#define JOBLIGHT_BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define METRIC_CELLS 512

struct metric_block {
	_Atomic uint64_t cells[METRIC_CELLS];
	struct metric_block *next, *next_free; /* private */
};

struct metric_values {
	uint64_t cells[METRIC_CELLS];
};

/* NULL before its first use.  The program is never a shared library, so the fastest model will do.
 */
extern
    __attribute__((tls_model("initial-exec"))) _Thread_local struct metric_block *metrics_own_block;
struct metric_block *metrics_join(void);

/* The block of the calling thread. */
static inline struct metric_block *metrics_block(void)
{
	return metrics_own_block ? metrics_own_block : metrics_join();
}

/* Only for the block of the calling thread. */
static inline void metrics_block_add(struct metric_block *b, unsigned cell, uint64_t n)
{
	uint64_t now = atomic_load_explicit(&b->cells[cell], memory_order_relaxed);

	atomic_store_explicit(&b->cells[cell], now + n, memory_order_relaxed);
}

/* The value of a cell of the calling thread. */
static inline uint64_t metrics_own(unsigned cell)
{
	return atomic_load_explicit(&metrics_block()->cells[cell], memory_order_relaxed);
}

/* Any thread.  The sums over all threads, and the highest value that one thread has in a cell. */
void metrics_sum(struct metric_values *v);
uint64_t metrics_highest(unsigned cell);

/*
 * A source adds to the values.  It is called in any thread, must not wait, and lives as long as
 * anybody gathers.  There are at most METRIC_SOURCES.
 */
#define METRIC_SOURCES 8
typedef void metrics_source(void *context, struct metric_values *v);
void metrics_add_source(metrics_source *source, void *context);
void metrics_gather(struct metric_values *v); /* the sums, and what the sources add */

#endif
