#include "joblight/base/log.h"

#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "joblight/base/buf.h"
#include "joblight/base/clock.h"

static _Atomic enum log_level lowest_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level lowest)
{
	lowest_level = lowest;
}

#define SECRET_MIN 24 /* a word of so many characters with such a beginning is a credential */

/*
 * The length of the credential that begins here, and how much of it is no secret: an access key
 * (jl_ID_SECRET) or a JSON Web Token, whose first bytes are always {" in base 64.  0: none does.
 */
static size_t credential_at(const char *text, size_t *shown)
{
	static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                           "0123456789_-.~+/=";
	size_t len = strncmp(text, "jl_", 3) == 0 || strncmp(text, "eyJ", 3) == 0
	                 ? strspn(text, word)
	                 : 0;
	const char *secret = len && text[0] == 'j' ? strchr(text + 3, '_') : NULL;

	*shown = secret ? (size_t)(secret - text) + 1 : 3;
	return len >= SECRET_MIN && *shown < len ? len : 0;
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
	bool quoted = needs_quotes(value);

	buf_text(line, quoted ? "\"" : "");
	for (const char *c = value; *c; c++) {
		unsigned char byte = (unsigned char)*c;
		size_t shown, len = credential_at(c, &shown);
		if (len) {
			buf_add(line, c, shown);
			buf_text(line, "[redacted]");
			c += len - 1;
			continue;
		}
		if (byte == '"' || byte == '\\')
			buf_char(line, '\\');
		if (byte < ' ' || byte >= 0x7f)
			buf_format(line, "\\x%02x", byte);
		else
			buf_char(line, *c);
	}
	buf_text(line, quoted ? "\"" : "");
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

void log_format(struct buf *line, enum log_level level, const char *message, const char *key,
                va_list more)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	char now[CLOCK_TEXT_LEN + 1];

	clock_format(clock_wall_ms(), now);
	buf_format(line, "time=%s level=%s msg=", now, names[level]);
	add_value(line, message);
	for (; key; key = va_arg(more, const char *)) {
		const char *value = va_arg(more, const char *);
		if (!value)
			continue;
		buf_format(line, " %s=", key);
		add_value(line, value);
	}
	buf_char(line, '\n');
}

void log_write(const struct buf *line)
{
	write_all(line->ptr, line->len);
}

void log_event(enum log_level level, const char *message, ...)
{
	struct buf line = { 0 };
	va_list pairs;

	if (level < lowest_level)
		return;
	va_start(pairs, message);
	log_format(&line, level, message, va_arg(pairs, const char *), pairs);
	va_end(pairs);
	log_write(&line);
	buf_finish(&line);
}
