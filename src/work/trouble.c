#include "trouble.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "joblight/base/log.h"

static void tell(struct trouble *t, const char *cause, uint64_t now_ms)
{
	char failures[24];

	snprintf(failures, sizeof failures, "%" PRIu64, t->failures);
	snprintf(t->cause, sizeof t->cause, "%s", cause);
	t->logged_at = now_ms;
	log_error(t->begins, "cause", cause, "failures", failures);
}

void trouble_failed(struct trouble *t, const char *cause, uint64_t now_ms)
{
	bool first = !t->failing;

	t->failing = true;
	t->works = false;
	t->failed_at = now_ms;
	t->failures++;
	t->total++;
	if (first || (now_ms - t->logged_at >= TROUBLE_QUIET_MS &&
	              strncmp(t->cause, cause, sizeof t->cause - 1) != 0))
		tell(t, cause, now_ms);
}

void trouble_passed(struct trouble *t, uint64_t now_ms)
{
	char failures[24];

	t->works = true;
	if (!t->failing || now_ms - t->failed_at < TROUBLE_QUIET_MS)
		return;
	snprintf(failures, sizeof failures, "%" PRIu64, t->failures);
	log_info(t->ends, "failures", failures);
	t->failing = false;
	t->failures = 0;
}

uint64_t trouble_due(const struct trouble *t)
{
	return t->failing && t->works ? t->failed_at + TROUBLE_QUIET_MS : UINT64_MAX;
}
