/*
 * A failure that may recur, and how the log reports it: one line when it begins, at most one line
 * per second while its cause changes, and one line with the number of failures when it has ended.
 * It has ended when an attempt has worked and a second has passed without a failure, so that a
 * fault that comes and goes is reported as one.
 *
 * One thread.  Times are monotonic milliseconds.
 */
#ifndef JOBLIGHT_WORK_TROUBLE_H
#define JOBLIGHT_WORK_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#define TROUBLE_QUIET_MS 1000

struct trouble {
	const char *begins, *ends; /* log messages: it begins; it has ended */
	bool failing;              /* it has begun and not ended */
	bool works;                /* the last attempt succeeded */
	uint64_t failures;         /* since it began */
	uint64_t total;            /* since the start */
	uint64_t failed_at, logged_at;
	char cause[256]; /* the last one logged */
};

void trouble_failed(struct trouble *t, const char *cause, uint64_t now_ms);
void trouble_passed(struct trouble *t, uint64_t now_ms);

/* When to call trouble_passed() again, so that the end is logged in time; UINT64_MAX: never. */
uint64_t trouble_due(const struct trouble *t);

#endif
