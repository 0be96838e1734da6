/*
 * The causes that the log has told lately, each with a limit of its own, so that a flood of one
 * cause hides no other.  A cause is a level and a message.  `{0}` is an empty table.  The owner
 * locks.
 */
#ifndef JOBLIGHT_BASE_LOG_CAUSES_H
#define JOBLIGHT_BASE_LOG_CAUSES_H

#include <stddef.h>

#include "joblight/base/log.h"
#include "joblight/base/log_limit.h"

#define LOG_CAUSES_MAX 128 /* more than the server has messages */

struct log_causes {
	struct log_cause {
		enum log_level level;
		const char *message; /* a literal */
		struct log_limit limit;
	} items[LOG_CAUSES_MAX];
	size_t count;
};

/* NULL: the table is full of causes that are still told; the line is not limited. */
struct log_cause *log_causes_find(struct log_causes *c, enum log_level level, const char *message,
                                  uint64_t now_ms);

#endif
