#include "joblight/base/log.h"

#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "joblight/base/buf.h"
#include "joblight/base/clock.h"

static _Atomic enum log_level lowest_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level lowest)
{
	lowest_level = lowest;
}

static bool needs_quotes(const char *value)
{
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' ||
		    (unsigned char)*c >= 0x7f)
			return true;
	return !*value;
}

static void add_value(struct buf *line, const char *value)
{
	if (!needs_quotes(value)) {
		buf_text(line, value);
		return;
	}
	buf_char(line, '"');
	for (const char *c = value; *c; c++) {
		unsigned char byte = (unsigned char)*c;
		if (byte == '"' || byte == '\\')
			buf_char(line, '\\');
		if (byte < ' ' || byte >= 0x7f)
			buf_format(line, "\\x%02x", byte);
		else
			buf_char(line, *c);
	}
	buf_char(line, '"');
}

static void write_all(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDERR_FILENO, bytes, len);
		if (n <= 0)
			return; /* there is no way to report it */
		bytes += n;
		len -= (size_t)n;
	}
}

void log_event(enum log_level level, const char *message, ...)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	struct buf line = { 0 };
	char now[CLOCK_TEXT_LEN + 1];
	va_list keys;

	if (level < lowest_level)
		return;
	clock_format(clock_wall_ms(), now);
	buf_format(&line, "time=%s level=%s msg=", now, names[level]);
	add_value(&line, message);
	va_start(keys, message);
	for (const char *key; (key = va_arg(keys, const char *));) {
		const char *value = va_arg(keys, const char *);
		if (!value)
			continue;
		buf_format(&line, " %s=", key);
		add_value(&line, value);
	}
	va_end(keys);
	buf_char(&line, '\n');
	write_all(line.ptr, line.len);
	buf_finish(&line);
}
