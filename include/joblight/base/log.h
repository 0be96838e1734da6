/*
 * One line per event on stderr, in one of the formats of log_line.h.  Values are escaped, so a
 * client can never start a new line, and what looks like a credential is cut out of them.
 *
 * Each cause, which is a level and a message, may have LOG_LIMIT_LINES lines a second; then one
 * line says how many were left out (`suppressed`).  Debug lines are not limited.
 *
 * Any thread.  Nobody waits for standard error once log_start() has run: see log_output.h.
 */
#ifndef JOBLIGHT_BASE_LOG_H
#define JOBLIGHT_BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

void log_set_level(enum log_level lowest);

/* Before there are other threads.  Finds out, too, whether this is the journal of systemd. */
void log_set_format(enum log_format format);
/* Starts the thread that writes. */
void log_start(void);
/*
 * Writes what waits, and what was left out, within `wait_ms`.  Later lines are written at once, or
 * not at all if that was not enough.
 */
#define LOG_STOP_MS 1000 /* what a server that stops has for it */
void log_stop(unsigned wait_ms);

/*
 * `message`, which lives forever, is followed by pairs of (const char *key, const char *value).  A
 * pair whose value is NULL is left out.  The macros end the list.
 */
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));

#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__, (char *)0)
#define log_info(...) log_event(LOG_LEVEL_INFO, __VA_ARGS__, (char *)0)
#define log_warn(...) log_event(LOG_LEVEL_WARN, __VA_ARGS__, (char *)0)
#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__, (char *)0)

#endif
