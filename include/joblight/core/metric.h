/*
 * The metrics: what is counted, under which names.  The rows are in metrics.def, the values of
 * their labels in metric_labels.def.
 *
 * A metric has one cell for each value of its label: METRIC_EVENTS + LABEL_TYPE_COMMAND.  Counting
 * is cheap (joblight/base/metrics.h), and any thread counts.
 */
#ifndef JOBLIGHT_CORE_METRIC_H
#define JOBLIGHT_CORE_METRIC_H

#include <stdbool.h>

#include "joblight/base/buf.h"
#include "joblight/base/metrics.h"

/* One enum for each set of values, and LABELS_<set>, their number. */
#define SET(set, name)                                                                             \
	enum label_##set                                                                           \
	{
#define VALUE(set, id, text) LABEL_##set##_##id,
#define END(set)                                                                                   \
	LABELS_##set                                                                               \
	}                                                                                          \
	;
#include "joblight/core/metric_labels.def"
#undef SET
#undef VALUE
#undef END

/* The upper bounds of the buckets of histograms, which a last one without a bound follows. */
#define METRIC_TIMES                                                                               \
	BOUND(50, "0.00005")                                                                       \
	BOUND(100, "0.0001")                                                                       \
	BOUND(250, "0.00025")                                                                      \
	BOUND(500, "0.0005")                                                                       \
	BOUND(1000, "0.001")                                                                       \
	BOUND(2500, "0.0025")                                                                      \
	BOUND(5000, "0.005")                                                                       \
	BOUND(10000, "0.01")                                                                       \
	BOUND(25000, "0.025")                                                                      \
	BOUND(50000, "0.05")                                                                       \
	BOUND(100000, "0.1")                                                                       \
	BOUND(250000, "0.25")                                                                      \
	BOUND(500000, "0.5")                                                                       \
	BOUND(1000000, "1.0")                                                                      \
	BOUND(2500000, "2.5")                                                                      \
	BOUND(5000000, "5.0")                                                                      \
	BOUND(10000000, "10.0")
#define METRIC_SIZES                                                                               \
	BOUND(1, "1.0")                                                                            \
	BOUND(2, "2.0")                                                                            \
	BOUND(4, "4.0")                                                                            \
	BOUND(8, "8.0")                                                                            \
	BOUND(16, "16.0")                                                                          \
	BOUND(32, "32.0")                                                                          \
	BOUND(64, "64.0")                                                                          \
	BOUND(128, "128.0")                                                                        \
	BOUND(256, "256.0")                                                                        \
	BOUND(512, "512.0")

/* Cells of a histogram: its bounded buckets, the last bucket, and the sum. */
#define BOUND(value, text) +1
enum { METRIC_TIMES_CELLS = METRIC_TIMES + 2, METRIC_SIZES_CELLS = METRIC_SIZES + 2 };
#undef BOUND

/* METRIC_<id> is the first cell of the metric. */
enum {
#define ROW(id, cells) METRIC_##id, METRIC_##id##_LAST = METRIC_##id + (int)(cells)-1,
#define COUNTER(id, set, name, unit, help) ROW(id, LABELS_##set)
#define GAUGE(id, set, name, unit, help) ROW(id, LABELS_##set)
#define HIGHEST(id, set, name, unit, help) ROW(id, LABELS_##set)
#define HISTOGRAM(id, set, name, buckets, unit, help)                                              \
	ROW(id, (int)LABELS_##set *METRIC_##buckets##_CELLS)
#include "joblight/core/metrics.def"
#undef ROW
#undef COUNTER
#undef GAUGE
#undef HIGHEST
#undef HISTOGRAM
	METRIC_CELL_COUNT
};

_Static_assert(METRIC_CELL_COUNT <= METRIC_CELLS, "a thread's block has a cell for each series");

static inline void metric_add(unsigned cell, uint64_t n)
{
	metrics_block_add(metrics_block(), cell, n);
}

static inline void metric_count(unsigned cell)
{
	metric_add(cell, 1);
}

/* A gauge is the sum over all threads, each of which may be below zero. */
static inline void metric_subtract(unsigned cell, uint64_t n)
{
	metric_add(cell, 0 - n);
}

/* Sets what the calling thread adds to a gauge. */
static inline void metric_set(unsigned cell, uint64_t n)
{
	atomic_store_explicit(&metrics_block()->cells[cell], n, memory_order_relaxed);
}

/* Adds a value to a histogram of TIMES, in microseconds, or SIZES. */
void metric_observe_us(unsigned cell, uint64_t us);
void metric_observe_size(unsigned cell, uint64_t size);

/* The time between two readings of the monotonic clock. */
static inline void metric_observe_since(unsigned cell, uint64_t then_us, uint64_t now_us)
{
	metric_observe_us(cell, now_us > then_us ? now_us - then_us : 0);
}

/*
 * The formats that metrics are written in: the text format 0.0.4 of Prometheus, and OpenMetrics
 * 1.0.0.
 */
enum exposition { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };
#define EXPOSITION_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define EXPOSITION_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Any thread.  Gathers the values of all metrics, and writes them. */
void metrics_encode(struct buf *out, enum exposition format);

/* The sum over the cells from `first` to `last`, such as METRIC_RATE_LIMITED to .._LAST. */
uint64_t metrics_total(const struct metric_values *v, unsigned first, unsigned last);

#endif
