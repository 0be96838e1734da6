#include "output.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && value[0];
}

/* The variable that decides about characters, by POSIX. */
static bool locale_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);
		if (value && value[0])
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

void output_init(struct output *o, const struct arguments *a)
{
	const char *term = getenv("TERM");
	bool terminal = isatty(STDOUT_FILENO);

	o->json = arguments_has(a, "json") || !terminal;
	o->moves = terminal && term && strcmp(term, "dumb") != 0;
	o->colour = o->moves && !is_set("NO_COLOR");
	o->utf8 = locale_is_utf8();
}

unsigned output_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return 80;
}

unsigned output_room(unsigned used)
{
	unsigned columns = output_columns();

	return columns > used ? columns - used : 0;
}

/* ---- writing ---- */

static int write_error; /* errno of output_try_line(); 0: none */

/* As SIGPIPE would, had it not been ignored for libcurl. */
void output_end_without_reader(void)
{
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
	_exit(EXIT_FAILED);
}

void output_check(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	errno = write_error ? write_error : errno;
	if (errno == EPIPE)
		output_end_without_reader();
	perror("joblight: standard output");
	_exit(EXIT_FAILED);
}

bool output_try_line(struct slice line)
{
	fwrite(line.ptr, 1, line.len, stdout);
	putchar('\n');
	if (fflush(stdout) == 0)
		return true;
	write_error = write_error ? write_error : errno;
	return false;
}

void output_bytes(struct slice bytes)
{
	fwrite(bytes.ptr, 1, bytes.len, stdout);
	output_check();
}

void output_line(struct slice line)
{
	fwrite(line.ptr, 1, line.len, stdout);
	putchar('\n');
	output_check();
}

/* ---- text ---- */

/* One character; moves *at.  What is not UTF-8 is U+FFFD. */
static uint32_t next_character(const char **at)
{
	static const uint32_t min[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)*at;
	unsigned len = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc2 ? 2 : 0;
	uint32_t c = len < 2 ? *p : *p & (0x7fu >> len);

	for (unsigned i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			len = 0;
		else
			c = c << 6 | (p[i] & 0x3fu);
	}
	*at += len ? len : 1;
	return len && c >= min[len] ? c : 0xfffd;
}

/* Columns of a character: East Asian wide ones and emoji have two, combining ones none. */
static unsigned width_of(uint32_t c)
{
	static const struct {
		uint32_t first, last;
		unsigned width;
	} ranges[] = {
		{ 0x300, 0x36f, 0 },     { 0x1100, 0x115f, 2 },   { 0x200b, 0x200f, 0 },
		{ 0x202a, 0x202e, 0 },   { 0x2060, 0x206f, 0 },   { 0x2e80, 0xa4cf, 2 },
		{ 0xac00, 0xd7a3, 2 },   { 0xf900, 0xfaff, 2 },   { 0xfe00, 0xfe0f, 0 },
		{ 0xfe30, 0xfe6f, 2 },   { 0xff00, 0xff60, 2 },   { 0xffe0, 0xffe6, 2 },
		{ 0x1f300, 0x1faff, 2 }, { 0x20000, 0x3fffd, 2 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return ranges[i].width;
	return 1;
}

/* Control characters, and those that change the direction of text. */
static bool is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

unsigned output_text(const struct output *o, struct buf *b, const char *text, unsigned columns)
{
	unsigned used = 0;

	while (*text) {
		const char *start = text;
		uint32_t c = next_character(&text);
		bool plain = !is_hidden(c) && c != 0xfffd && (c < 0x80 || o->utf8);
		unsigned width = plain ? width_of(c) : 1;
		if (used + width > columns)
			break;
		used += width;
		if (plain)
			buf_add(b, start, (size_t)(text - start));
		else
			buf_char(b, is_hidden(c) ? ' ' : '?');
	}
	return used;
}

void output_message(const char *text)
{
	struct output o = { .utf8 = locale_is_utf8() };
	struct buf clean = { 0 };

	output_text(&o, &clean, text, UINT_MAX);
	fprintf(stderr, "joblight: %s\n", buf_string(&clean));
	buf_finish(&clean);
}

void output_error(const char *subject, const char *text)
{
	struct buf message = { 0 };

	buf_format(&message, "%s: %s", subject, text);
	output_message(buf_string(&message));
	buf_finish(&message);
}

/* In JSON a control character stands in strings only, where an escape means the same. */
static void add_visible(struct buf *b, const char *text)
{
	while (*text) {
		const char *start = text;
		uint32_t c = next_character(&text);
		if (is_hidden(c))
			buf_format(b, "\\u%04x", c);
		else if (c == 0xfffd)
			buf_text(b, "\ufffd");
		else
			buf_add(b, start, (size_t)(text - start));
	}
}

void output_answer(struct slice text)
{
	struct buf line = { 0 }, visible = { 0 };

	buf_slice(&line, text);
	for (size_t i = 0; i < line.len; i++)
		if (line.ptr[i] == '\n' || line.ptr[i] == '\r')
			line.ptr[i] = ' ';
	if (isatty(STDOUT_FILENO)) {
		add_visible(&visible, buf_string(&line));
		output_line(buf_as_slice(&visible));
	} else {
		output_line(buf_as_slice(&line));
	}
	buf_finish(&line);
	buf_finish(&visible);
}

void output_padded(const struct output *o, struct buf *b, const char *text, unsigned columns)
{
	for (unsigned used = output_text(o, b, text, columns); used < columns; used++)
		buf_char(b, ' ');
}

void output_colour(const struct output *o, struct buf *b, enum colour colour)
{
	static const char *const codes[] = {
		[COLOUR_NONE] = "0",   [COLOUR_DIM] = "2",     [COLOUR_RED] = "31",
		[COLOUR_GREEN] = "32", [COLOUR_YELLOW] = "33", [COLOUR_BLUE] = "34",
	};

	if (o->colour)
		buf_format(b, "\033[%sm", codes[colour]);
}

void output_bar(const struct output *o, struct buf *b, double percent, unsigned columns)
{
	unsigned inner = columns > 2 ? columns - 2 : 0;
	unsigned full = (unsigned)(percent * inner / 100);

	buf_char(b, '[');
	for (unsigned i = 0; i < inner; i++)
		buf_text(b, i >= full ? o->utf8 ? "\u00b7" : "." : o->utf8 ? "\u2588" : "#");
	buf_char(b, ']');
}

void output_mark(const struct output *o, struct buf *b, const char *status)
{
	static const struct {
		const char *status, *utf8, *ascii;
		enum colour colour;
	} marks[] = {
		{ "pending", "\u25cb", "-", COLOUR_DIM },
		{ "in_progress", "\u25b6", ">", COLOUR_BLUE },
		{ "revisions", "\u25b6", ">", COLOUR_BLUE },
		{ "hardening", "\u25b6", ">", COLOUR_BLUE },
		{ "blocked", "\u25a0", "=", COLOUR_YELLOW },
		{ "completed", "\u2714", "+", COLOUR_GREEN },
		{ "failed", "\u2718", "x", COLOUR_RED },
		{ "cancelled", "\u2013", "~", COLOUR_DIM },
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcmp(marks[i].status, status) == 0) {
			output_colour(o, b, marks[i].colour);
			buf_text(b, o->utf8 ? marks[i].utf8 : marks[i].ascii);
			output_colour(o, b, COLOUR_NONE);
			return;
		}
	buf_char(b, '?');
}
