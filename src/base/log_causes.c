#include "joblight/base/log_causes.h"

#include <string.h>

struct log_cause *log_causes_find(struct log_causes *c, enum log_level level, const char *message,
                                  uint64_t now_ms)
{
	struct log_cause *room = NULL;

	for (size_t i = 0; i < c->count; i++) {
		struct log_cause *cause = &c->items[i];
		if (cause->level == level && strcmp(cause->message, message) == 0)
			return cause;
		if (!room && log_limit_is_idle(&cause->limit, now_ms))
			room = cause;
	}
	if (c->count < LOG_CAUSES_MAX)
		room = &c->items[c->count++];
	if (room)
		*room = (struct log_cause){ .level = level, .message = message };
	return room;
}
