/*
 * Something that may fail again and again, and how the log tells of it: a line when it begins, at
 * most a line a second while its cause changes, and a line when it is over, with the number of
 * failures.  It is over when it has worked and a second has passed without a failure, so that a
 * fault that comes and goes is one fault.
 *
 * One thread.  Times are monotonic milliseconds.
 */
#ifndef JOBLIGHT_WORK_TROUBLE_H
#define JOBLIGHT_WORK_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#define TROUBLE_QUIET_MS 1000

struct trouble {
	const char *begins, *ends; /* the messages */
	bool failing;              /* it has begun and is not over */
	bool works;                /* the last attempt did */
	uint64_t failures;         /* since it began */
	uint64_t total;            /* since the start */
	uint64_t failed_at, logged_at;
	char cause[256]; /* the one that was logged last */
};

void trouble_failed(struct trouble *t, const char *cause, uint64_t now_ms);
void trouble_passed(struct trouble *t, uint64_t now_ms);

/* When trouble_passed() should be called again for its end to be logged in time; UINT64_MAX: no
 * need. */
uint64_t trouble_due(const struct trouble *t);

#endif
