#include "joblight/base/log_limit.h"

static bool is_over(const struct log_limit *l, uint64_t now_ms)
{
	return now_ms - l->since >= LOG_LIMIT_MS;
}

uint64_t log_limit_left_out(struct log_limit *l, uint64_t now_ms)
{
	uint64_t count = is_over(l, now_ms) ? l->suppressed : 0;

	if (count)
		l->suppressed = 0;
	return count;
}

bool log_limit_takes(struct log_limit *l, uint64_t now_ms)
{
	if (is_over(l, now_ms)) {
		l->since = now_ms;
		l->lines = 0;
	}
	if (l->lines == LOG_LIMIT_LINES) {
		l->suppressed++;
		return false;
	}
	l->lines++;
	return true;
}

bool log_limit_is_idle(const struct log_limit *l, uint64_t now_ms)
{
	return is_over(l, now_ms) && !l->suppressed;
}
