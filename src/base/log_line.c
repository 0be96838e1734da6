#include "joblight/base/log_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "joblight/base/clock.h"

static enum log_format chosen = LOG_FORMAT_LOGFMT;
static bool to_journal;

void log_line_set_format(enum log_format format)
{
	chosen = format;
}

void log_line_set_journal(bool journal)
{
	to_journal = journal;
}

bool log_line_is_for_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat own;
	char text[48];

	if (!stream || fstat(STDERR_FILENO, &own) != 0)
		return false;
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)own.st_dev,
	         (unsigned long long)own.st_ino);
	return strcmp(stream, text) == 0;
}

/* Values. */

#define SECRET_MIN 24 /* a word of so many characters with such a beginning is a credential */

static size_t word_length(struct slice text)
{
	static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                           "0123456789_-.~+/=";
	size_t len = 0;

	while (len < text.len && text.ptr[len] && strchr(word, text.ptr[len]))
		len++;
	return len;
}

/*
 * The length of the credential that begins here, and how much of it is no secret: an access key
 * (jl_ID_SECRET) or a JSON Web Token, whose first bytes are always {" in base 64.  0: none does.
 */
static size_t credential_at(struct slice text, size_t *shown)
{
	bool begins = text.len >= 3 &&
	              (memcmp(text.ptr, "jl_", 3) == 0 || memcmp(text.ptr, "eyJ", 3) == 0);
	size_t len = begins ? word_length(text) : 0;
	const char *secret = len && text.ptr[0] == 'j' ? memchr(text.ptr + 3, '_', len - 3) : NULL;

	*shown = secret ? (size_t)(secret - text.ptr) + 1 : 3;
	return len >= SECRET_MIN && *shown < len ? len : 0;
}

/* The code point that begins here, and its bytes; U+FFFD for a byte that is not UTF-8 (RFC 3629).
 */
static uint32_t code_point(struct slice text, size_t *len)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t min;
	} forms[] = { { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };
	const unsigned char *s = (const unsigned char *)text.ptr;

	*len = 1;
	if (s[0] < 0x80)
		return s[0];
	for (size_t form = 0; form < 3; form++) {
		if ((s[0] & forms[form].mask) != forms[form].lead || text.len < form + 2)
			continue;
		uint32_t code = s[0] & (unsigned char)~forms[form].mask;
		for (size_t i = 1; i < form + 2; i++)
			code = (s[i] & 0xc0) == 0x80 && code < 0x110000 ? code << 6 | (s[i] & 0x3f)
			                                                : 0x110000;
		if (code < forms[form].min || code >= 0x110000 || (code >> 11) == 0x1b)
			break;
		*len = form + 2;
		return code;
	}
	return 0xfffd;
}

static const char *short_escape(uint32_t code)
{
	switch (code) {
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	default:
		return NULL;
	}
}

static void add_code_point(struct buf *b, uint32_t code)
{
	const char *escape = short_escape(code);

	if (escape)
		buf_text(b, escape);
	else if (code >= 0x10000)
		buf_format(b, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
		           0xdc00 + ((code - 0x10000) & 0x3ff));
	else if (code < ' ' || code >= 0x7f)
		buf_format(b, "\\u%04x", code);
	else
		buf_char(b, (char)code);
}

/* How many bytes from here on are written as they are, and begin no credential. */
static size_t plain_length(struct slice text)
{
	size_t len = 0;

	while (len < text.len && text.ptr[len] >= ' ' && text.ptr[len] < 0x7f &&
	       text.ptr[len] != '"' && text.ptr[len] != '\\' && text.ptr[len] != 'j' &&
	       text.ptr[len] != 'e')
		len++;
	return len;
}

static void add_escaped(struct buf *b, struct slice value)
{
	size_t len, shown, left_out = value.len > LOG_VALUE_MAX ? value.len - LOG_VALUE_MAX : 0;

	value.len -= left_out;
	for (; value.len; value.ptr += len, value.len -= len) {
		len = plain_length(value);
		if (len) {
			buf_add(b, value.ptr, len);
			continue;
		}
		len = credential_at(value, &shown);
		if (len) {
			buf_add(b, value.ptr, shown);
			buf_text(b, "[redacted]");
		} else {
			add_code_point(b, code_point(value, &len));
		}
	}
	if (left_out)
		buf_format(b, "[%zu more bytes]", left_out);
}

static bool needs_quotes(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] <= ' ' || value.ptr[i] >= 0x7f || strchr("\"=\\", value.ptr[i]))
			return true;
	return !value.len || value.len > LOG_VALUE_MAX;
}

/* Lines. */

static void add_key(struct log_line *l, const char *key)
{
	bool json = chosen == LOG_FORMAT_JSON;

	if (l->has_members)
		buf_char(&l->text, json ? ',' : ' ');
	l->has_members = true;
	buf_text(&l->text, json ? "\"" : "");
	buf_text(&l->text, key);
	buf_text(&l->text, json ? "\":" : "=");
}

void log_line_slice(struct log_line *l, const char *key, struct slice value)
{
	bool quoted = chosen == LOG_FORMAT_JSON || needs_quotes(value);

	add_key(l, key);
	buf_text(&l->text, quoted ? "\"" : "");
	add_escaped(&l->text, value);
	buf_text(&l->text, quoted ? "\"" : "");
}

void log_line_number(struct log_line *l, const char *key, uint64_t value)
{
	add_key(l, key);
	buf_u64(&l->text, value);
}

/* Counts that come as texts are numbers in JSON, too. */
static bool is_count(const char *key, const char *value)
{
	return (strcmp(key, "suppressed") == 0 || strcmp(key, "failures") == 0) && *value &&
	       strspn(value, "0123456789") == strlen(value);
}

void log_line_text(struct log_line *l, const char *key, const char *value)
{
	if (value && is_count(key, value))
		log_line_number(l, key, strtoull(value, NULL, 10));
	else if (value)
		log_line_slice(l, key, slice_of(value));
}

void log_line_true(struct log_line *l, const char *key)
{
	add_key(l, key);
	buf_text(&l->text, "true");
}

void log_line_pairs(struct log_line *l, const char *key, va_list more)
{
	for (; key; key = va_arg(more, const char *))
		log_line_text(l, key, va_arg(more, const char *));
}

void log_line_begin(struct log_line *l, enum log_place place, enum log_level level,
                    const char *message)
{
	log_line_begin_at(l, place, clock_wall_ms(), level, message);
}

void log_line_begin_at(struct log_line *l, enum log_place place, int64_t wall_ms,
                       enum log_level level, const char *message)
{
	static const struct {
		const char *name, *priority; /* of syslog(3) */
	} levels[] = {
		{ "debug", "<7>" }, { "info", "<6>" }, { "warn", "<4>" }, { "error", "<3>" }
	};
	bool journal = to_journal && place == LOG_TO_STDERR;
	char now[CLOCK_TEXT_LEN + 1];

	*l = (struct log_line){ .has_members = false };
	buf_reserve(&l->text, 256);
	buf_text(&l->text, journal ? levels[level].priority : "");
	buf_text(&l->text, chosen == LOG_FORMAT_JSON ? "{" : "");
	if (!journal) {
		clock_format(wall_ms, now);
		log_line_text(l, "time", now);
	}
	log_line_text(l, "level", levels[level].name);
	log_line_text(l, "msg", message);
}

void log_line_end(struct log_line *l)
{
	buf_text(&l->text, chosen == LOG_FORMAT_JSON ? "}\n" : "\n");
}
