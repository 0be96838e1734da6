/*
 * One line of the log, in one of two formats, which have the same members in the same order:
 *
 *      time=2026-02-05T19:00:00.000Z level=warn msg="a message" key=value other="two words"
 *      {"time":"2026-02-05T19:00:00.000Z","level":"warn","msg":"a message","key":"value"}
 *
 * A value is ASCII: quotes, backslashes, control characters and what is not ASCII are escaped as in
 * JSON, in both formats, and a byte that is not UTF-8 becomes \ufffd.  So a value can never begin a
 * line or a member.  What looks like a credential is cut out, and a very long value is cut off.
 *
 * Under the journal of systemd a line begins with its priority, `<4>`, and has no time
 * (sd-daemon(3)).
 *
 * Any thread; the format is set before there are others.
 */
#ifndef JOBLIGHT_BASE_LOG_LINE_H
#define JOBLIGHT_BASE_LOG_LINE_H

#include <stdarg.h>
#include <stdbool.h>

#include "joblight/base/buf.h"
#include "joblight/base/log.h"

#define LOG_VALUE_MAX (10 * 1024) /* bytes of a value; of more, the line says how many it had */

enum log_place {
	LOG_TO_STDERR,
	LOG_TO_FILE, /* always with the time and without a priority */
};

/* The caller ends it with log_line_end(), and frees the text. */
struct log_line {
	struct buf text;
	bool has_members;
};

void log_line_begin(struct log_line *l, enum log_place place, enum log_level level,
                    const char *message);
/* The same of another moment than now. */
void log_line_begin_at(struct log_line *l, enum log_place place, int64_t wall_ms,
                       enum log_level level, const char *message);
/* A pair whose value is NULL is left out. */
void log_line_text(struct log_line *l, const char *key, const char *value);
void log_line_slice(struct log_line *l, const char *key, struct slice value);
void log_line_number(struct log_line *l, const char *key, uint64_t value);
void log_line_true(struct log_line *l, const char *key);
/* As log_event() takes them. */
void log_line_pairs(struct log_line *l, const char *key, va_list more);
void log_line_end(struct log_line *l);

void log_line_set_format(enum log_format format);
void log_line_set_journal(bool journal);
/* Whether standard error is the journal: JOURNAL_STREAM in the environment names its device and
 * inode (systemd.exec(5)). */
bool log_line_is_for_journal(void);

#endif
