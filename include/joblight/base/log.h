/*
 * One line per event on stderr, in logfmt: `time=… level=… msg="…" key=value …`.  Values are
 * escaped, so a client can never start a new line, and what looks like a credential is cut out of
 * them.  Any thread.
 */
#ifndef JOBLIGHT_BASE_LOG_H
#define JOBLIGHT_BASE_LOG_H

#include <stdarg.h>

#include "joblight/base/buf.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_set_level(enum log_level lowest);

/*
 * `message` is followed by pairs of (const char *key, const char *value).  A pair whose value is
 * NULL is left out.  The macros end the list.
 */
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));

/* What log_event() writes, whatever the level.  `key` is the first one, `more` is what follows. */
void log_format(struct buf *line, enum log_level level, const char *message, const char *key,
                va_list more);
void log_write(const struct buf *line);

#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__, (char *)0)
#define log_info(...) log_event(LOG_LEVEL_INFO, __VA_ARGS__, (char *)0)
#define log_warn(...) log_event(LOG_LEVEL_WARN, __VA_ARGS__, (char *)0)
#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__, (char *)0)

#endif
