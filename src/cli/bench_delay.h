/*
 * From the commit of an event to its receipt: two clocks.
 *
 * An event has the time at which the server began its transaction, in milliseconds.  It lies
 * between the moment at which its update was sent and the one at which the event was received, both
 * of the clock here; so every event bounds the difference of the clocks, and all of them together
 * bound it closely.  The middle of the bounds is taken for it.
 */
#ifndef JOBLIGHT_CLI_BENCH_DELAY_H
#define JOBLIGHT_CLI_BENCH_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#define DELAY_CELLS 200000 /* of DELAY_STEP_US: ten seconds */
#define DELAY_STEP_US 50

struct delay {
	bool known;
	int64_t base_us;        /* of the first event, receipt - server's time */
	int64_t min_us, max_us; /* the server's clock is so much ahead of the one here */
	uint32_t *cells;        /* how many events were received so long after base_us */
	uint64_t count;
};

void delay_init(struct delay *d);
void delay_finish(struct delay *d);
/* The clock here is clock_monotonic_us(). */
void delay_add(struct delay *d, int64_t server_ms, uint64_t sent_us, uint64_t received_us);
/* What `percent` of the events do not exceed, in milliseconds; 0 without any. */
double delay_ms(const struct delay *d, double percent);
/* By how much delay_ms() may be wrong, in milliseconds; negative: the clocks do not agree. */
double delay_error_ms(const struct delay *d);

#endif
