/*
 * The only place that asks the system for the time.  Milliseconds unless the name says otherwise.
 */
#ifndef JOBLIGHT_BASE_CLOCK_H
#define JOBLIGHT_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/slice.h"

#define CLOCK_TEXT_LEN 24 /* 2026-02-05T19:00:00.000Z */

int64_t clock_wall_ms(void);        /* since 1970; may jump */
int64_t clock_wall_us(void);        /* the same clock */
uint64_t clock_monotonic_ms(void);  /* never goes back */
uint64_t clock_monotonic_us(void);  /* the same clock */
uint64_t clock_thread_cpu_us(void); /* processor time used by the calling thread */
uint64_t clock_boottime_ms(void);   /* like monotonic, but also counts while the machine sleeps */

/*
 * The clock by which keys, tokens and tickets end: the wall clock, or that of the database where
 * several nodes use it, whose own clocks may differ.  Unix milliseconds; any thread.
 */
int64_t clock_shared_ms(void);
void clock_share(int64_t now); /* from now on it shows this, and goes on with the monotonic clock */

/* The id of this boot of the machine; "unknown" when the system does not provide one. */
#define CLOCK_BOOT_LEN 36
void clock_boot_id(char out[CLOCK_BOOT_LEN + 1]);

/* RFC 3339 in UTC with milliseconds; `out` holds CLOCK_TEXT_LEN + 1 bytes. */
void clock_format(int64_t wall_ms, char *out);

/* RFC 3339 (any offset, any fraction) or Unix milliseconds; false when it is neither. */
bool clock_parse(struct slice text, int64_t *wall_ms);

#endif
