/*
 * How often the log tells the same: at most LOG_LIMIT_LINES in LOG_LIMIT_MS, and then how many
 * lines were left out.  `{0}` is a limit that has seen nothing.  The owner locks.  Times are
 * monotonic milliseconds.
 */
#ifndef JOBLIGHT_BASE_LOG_LIMIT_H
#define JOBLIGHT_BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_LINES 10
#define LOG_LIMIT_MS 1000

struct log_limit {
	uint64_t since; /* when this second began */
	unsigned lines;
	uint64_t suppressed;
};

/*
 * Returns how many lines were left out in a second that is over at `now_ms`, once; 0: none, or it
 * is not over yet.  The caller tells.
 */
uint64_t log_limit_left_out(struct log_limit *l, uint64_t now_ms);
/* Whether one more line may be written.  Call log_limit_left_out() before. */
bool log_limit_takes(struct log_limit *l, uint64_t now_ms);
/* Whether it holds nothing that is still of use. */
bool log_limit_is_idle(const struct log_limit *l, uint64_t now_ms);

#endif
