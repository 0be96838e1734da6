/* The outcome of an operation, the same for all transports: its HTTP status, its code and title,
 * and the problem (RFC 9457) that tells a client what to change. */
#ifndef JOBLIGHT_CORE_OUTCOME_H
#define JOBLIGHT_CORE_OUTCOME_H

#include <stdbool.h>

#include "joblight/base/buf.h"

enum outcome {
#define OUTCOME(name, status, code, title) OUTCOME_##name,
#include "joblight/core/outcome.def"
#undef OUTCOME
	OUTCOME_COUNT
};

int outcome_status(enum outcome o);
const char *outcome_code(enum outcome o);
const char *outcome_title(enum outcome o);

static inline bool outcome_is_error(enum outcome o)
{
	return outcome_status(o) >= 400;
}

/* `errors` collects the members of the "errors" array as JSON; problem_finish() frees it. */
struct problem {
	enum outcome outcome;
	char detail[240];
	struct buf errors;
	unsigned error_count;
	unsigned wait_ms; /* of RATE_LIMITED: after this time it may be repeated */
};

#define PROBLEM_ERRORS 16 /* more would not help the client */

static inline bool problem_full(const struct problem *p)
{
	return p->error_count >= PROBLEM_ERRORS;
}

/* Sets outcome and detail.  Returns false, so that a check can end with `return problem_set(…)`. */
bool problem_set(struct problem *p, enum outcome o, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* 404; the id may be concealed, see model.h.  Returns false. */
bool problem_no_job(struct problem *p, const char *job_id);
/* Adds one field to an INVALID_FIELD or UNKNOWN_FIELD problem.  Returns false like problem_set().
 */
bool problem_field(struct problem *p, enum outcome o, const char *field, const char *message);
void problem_encode(const struct problem *p, struct buf *out); /* application/problem+json */
void problem_finish(struct problem *p);

#endif
