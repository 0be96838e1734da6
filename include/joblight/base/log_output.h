/*
 * The way of log lines to standard error.
 *
 * Before log_output_start(), and after log_output_stop(), a line is written at once, by who logs
 * it. In between it goes into a queue of at most LOG_QUEUE_BYTES, which a thread writes: standard
 * error may be a pipe that nobody reads, or a file on a slow disk, and no thread that serves waits
 * for it. A line that the queue has no room for is lost.  So is one that cannot be written: the
 * reader has gone, or the disk is full.  As soon as lines can be written again, one says how many
 * were lost.
 *
 * A part of the queue is kept for lines of LOG_WEIGHT_NORMAL, so that a flood of others does not
 * push them out.  Lines are written in their order, and as many at once as a pipe takes in one
 * piece.
 */
#ifndef JOBLIGHT_BASE_LOG_OUTPUT_H
#define JOBLIGHT_BASE_LOG_OUTPUT_H

#include <stdbool.h>

#include "joblight/base/slice.h"

#define LOG_QUEUE_BYTES (1024 * 1024)
#define LOG_BULK_BYTES (LOG_QUEUE_BYTES / 4 * 3) /* of them for LOG_WEIGHT_BULK */

enum log_weight {
	LOG_WEIGHT_BULK, /* requests, debugging */
	LOG_WEIGHT_NORMAL,
};

/* Any thread.  `lines` are whole lines, and copied. */
void log_output_write(struct slice lines, enum log_weight weight);

/* Starts the thread, which calls tick() once a second. */
void log_output_start(void (*tick)(void));
/*
 * Waits until the queue is written, `wait_ms` at most.  If it is not, the thread is left to itself,
 * and what comes later is lost, because writing it would not end either.
 */
void log_output_stop(unsigned wait_ms);
/* Waits, likewise, but does not stop: for a process that ends at once. */
void log_output_flush(unsigned wait_ms);

#endif
