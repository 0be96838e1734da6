#include "joblight/core/json.h"

#include <stdio.h>

#include "joblight/base/clock.h"

struct lexer {
	const unsigned char *start, *at, *end;
	const char *fault;
};

static bool fail(struct lexer *x, const char *fault)
{
	x->fault = fault;
	return false;
}

static void skip_space(struct lexer *x)
{
	while (x->at < x->end &&
	       (*x->at == ' ' || *x->at == '\t' || *x->at == '\n' || *x->at == '\r'))
		x->at++;
}

/* One multi-byte character (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
static size_t utf8_length(const unsigned char *at, const unsigned char *end)
{
	static const struct {
		unsigned char first_low, first_high, second_low, second_high, len;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (*at < forms[i].first_low || *at > forms[i].first_high)
			continue;
		if (end - at < forms[i].len || at[1] < forms[i].second_low ||
		    at[1] > forms[i].second_high)
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((at[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

bool utf8_valid(struct slice text)
{
	if (!text.len) /* the pointer may be NULL then */
		return true;
	const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;

	while (at < end) {
		size_t len = *at < 0x80 ? 1 : utf8_length(at, end);
		if (!len)
			return false;
		at += len;
	}
	return true;
}

/* The code point of a valid character of `len` bytes. */
static unsigned code_point(const unsigned char *at, size_t len)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned value = at[0] & masks[len];

	for (size_t i = 1; i < len; i++)
		value = value << 6 | (at[i] & 0x3f);
	return value;
}

/* Spaces, controls, and marks that only change how other characters are shown. */
static bool shows_nothing(unsigned c)
{
	static const struct {
		unsigned first, last;
	} blank[] = {
		{ 0x00, 0x20 },     { 0x7f, 0xa0 },     { 0xad, 0xad },     { 0x1680, 0x1680 },
		{ 0x180e, 0x180e }, { 0x2000, 0x200f }, { 0x2028, 0x202f }, { 0x205f, 0x206f },
		{ 0x3000, 0x3000 }, { 0xfeff, 0xfeff },
	};

	for (size_t i = 0; i < sizeof(blank) / sizeof(blank[0]); i++)
		if (c >= blank[i].first && c <= blank[i].last)
			return true;
	return false;
}

bool utf8_blank(struct slice text)
{
	for (size_t i = 0; i < text.len;) {
		const unsigned char *at = (const unsigned char *)text.ptr + i;
		size_t len = *at < 0x80 ? 1 : utf8_length(at, at + (text.len - i));
		if (!len || !shows_nothing(code_point(at, len)))
			return false;
		i += len;
	}
	return true;
}

void utf8_mend(char *text, size_t len)
{
	if (!len)
		return;
	unsigned char *at = (unsigned char *)text, *end = at + len;

	while (at < end) {
		size_t whole = *at < 0x80 ? 1 : utf8_length(at, end);
		if (!whole)
			*at = '?';
		at += whole ? whole : 1;
	}
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Returns the value of four hex digits, or -1 when there are not four. */
static int take_hex4(struct lexer *x)
{
	int value = 0;

	if (x->end - x->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_value(*x->at++);
		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

static bool take_unicode_escape(struct lexer *x)
{
	int unit = take_hex4(x);

	if (unit < 0)
		return fail(x, "a \\u escape needs four hex digits");
	if (unit == 0)
		return fail(x, "\\u0000 is not allowed in a string");
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return fail(x, "a low surrogate without its high one");
	if (unit < 0xd800 || unit > 0xdbff)
		return true;
	if (x->end - x->at < 2 || x->at[0] != '\\' || x->at[1] != 'u')
		return fail(x, "a high surrogate without its low one");
	x->at += 2;
	unit = take_hex4(x);
	if (unit < 0xdc00 || unit > 0xdfff)
		return fail(x, "a high surrogate without its low one");
	return true;
}

static bool take_escape(struct lexer *x)
{
	if (x->at >= x->end)
		return fail(x, "the string does not end");
	switch (*x->at++) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return true;
	case 'u':
		return take_unicode_escape(x);
	default:
		return fail(x, "unknown escape in a string");
	}
}

/* The position is after the opening quote. */
static bool take_string(struct lexer *x)
{
	while (x->at < x->end) {
		unsigned char c = *x->at;
		if (c == '"') {
			x->at++;
			return true;
		}
		if (c < 0x20)
			return fail(x, "a control character in a string must be escaped");
		if (c == '\\') {
			x->at++;
			if (!take_escape(x))
				return false;
		} else if (c < 0x80) {
			x->at++;
		} else {
			size_t len = utf8_length(x->at, x->end);
			if (!len)
				return fail(x, "not valid UTF-8");
			x->at += len;
		}
	}
	return fail(x, "the string does not end");
}

static bool take_digits(struct lexer *x)
{
	const unsigned char *first = x->at;

	while (x->at < x->end && *x->at >= '0' && *x->at <= '9')
		x->at++;
	return x->at > first || fail(x, "a digit is missing in a number");
}

static bool take_number(struct lexer *x)
{
	if (*x->at == '-')
		x->at++;
	if (x->at < x->end && *x->at == '0')
		x->at++;
	else if (!take_digits(x))
		return false;
	if (x->at < x->end && *x->at == '.') {
		x->at++;
		if (!take_digits(x))
			return false;
	}
	if (x->at < x->end && (*x->at == 'e' || *x->at == 'E')) {
		x->at++;
		if (x->at < x->end && (*x->at == '+' || *x->at == '-'))
			x->at++;
		return take_digits(x);
	}
	return true;
}

static bool take_word(struct lexer *x, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(x->end - x->at) < len || memcmp(x->at, word, len) != 0)
		return fail(x, "a value is expected");
	x->at += len;
	return true;
}

static bool take_scalar(struct lexer *x)
{
	if (x->at >= x->end)
		return fail(x, "a value is expected");
	switch (*x->at) {
	case '"':
		x->at++;
		return take_string(x);
	case 't':
		return take_word(x, "true");
	case 'f':
		return take_word(x, "false");
	case 'n':
		return take_word(x, "null");
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return take_number(x);
	default:
		return fail(x, "a value is expected");
	}
}

static bool take_name(struct lexer *x)
{
	skip_space(x);
	if (x->at >= x->end || *x->at != '"')
		return fail(x, "a name in quotes is expected");
	x->at++;
	if (!take_string(x))
		return false;
	skip_space(x);
	if (x->at >= x->end || *x->at != ':')
		return fail(x, "a colon is expected");
	x->at++;
	return true;
}

/* The position between values: bit n of `objects` says whether level n is an object. */
struct nesting {
	uint64_t objects;
	unsigned level, max;
};

/* Begins a value: scalars are taken whole, brackets are entered.  *entered: the bracket is not
 * empty. */
static bool begin_value(struct lexer *x, struct nesting *n, bool *entered)
{
	skip_space(x);
	*entered = false;
	if (x->at >= x->end || (*x->at != '{' && *x->at != '['))
		return take_scalar(x);
	bool object = *x->at == '{';
	if (n->level >= n->max)
		return fail(x, "nested too deeply");
	x->at++;
	skip_space(x);
	if (x->at < x->end && *x->at == (object ? '}' : ']')) {
		x->at++;
		return true;
	}
	n->objects = object ? n->objects | (UINT64_C(1) << n->level)
	                    : n->objects & ~(UINT64_C(1) << n->level);
	n->level++;
	*entered = true;
	return !object || take_name(x);
}

/* Closes the brackets that end after a value.  *more: another value follows. */
static bool end_value(struct lexer *x, struct nesting *n, bool *more)
{
	*more = false;
	while (n->level) {
		bool object = n->objects >> (n->level - 1) & 1;
		skip_space(x);
		if (x->at >= x->end)
			return fail(x,
			            object ? "the object does not end" : "the array does not end");
		if (*x->at == ',') {
			x->at++;
			*more = true;
			return !object || take_name(x);
		}
		if (*x->at != (object ? '}' : ']'))
			return fail(x, "a comma or a closing bracket is expected");
		x->at++;
		n->level--;
	}
	return true;
}

static bool take_value(struct lexer *x, unsigned depth)
{
	struct nesting n = { .max = depth };
	bool entered, more = true;

	while (more) {
		do
			if (!begin_value(x, &n, &entered))
				return false;
		while (entered);
		if (!end_value(x, &n, &more))
			return false;
	}
	return true;
}

const char *json_check(struct slice text, unsigned depth, size_t *at)
{
	const unsigned char *bytes = (const unsigned char *)(text.len ? text.ptr : "");
	struct lexer x = { .start = bytes, .at = bytes, .end = bytes + text.len };

	skip_space(&x);
	if (x.at == x.end)
		fail(&x, "the body is empty");
	else if (take_value(&x, depth < JSON_DEPTH_MAX ? depth : JSON_DEPTH_MAX)) {
		skip_space(&x);
		if (x.at < x.end)
			fail(&x, "there is more after the value");
	}
	*at = (size_t)(x.at - x.start);
	return x.fault;
}

bool json_member(struct slice object, const char *name, struct slice *value)
{
	const unsigned char *bytes = (const unsigned char *)object.ptr;
	struct lexer x = { .start = bytes, .at = bytes, .end = bytes + object.len };
	size_t len = strlen(name);
	bool found = false;

	skip_space(&x);
	if (x.at >= x.end || *x.at != '{')
		return false;
	do {
		x.at++;
		skip_space(&x);
		const unsigned char *key = x.at + 1;
		if (!take_name(&x))
			break; /* an empty object */
		bool wanted = (size_t)(x.end - key) > len && memcmp(key, name, len) == 0 &&
		              key[len] == '"';
		skip_space(&x);
		const unsigned char *first = x.at;
		if (!take_value(&x, JSON_DEPTH_MAX))
			break;
		if (wanted) {
			*value = (struct slice){ (const char *)first, (size_t)(x.at - first) };
			found = true;
		}
		skip_space(&x);
	} while (x.at < x.end && *x.at == ',');
	return found;
}

void json_minify(struct buf *out, struct slice text)
{
	bool quoted = false;

	buf_reserve(out, text.len);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
			continue;
		buf_char(out, c);
		if (c == '"')
			quoted = !quoted;
		else if (c == '\\' && quoted && ++i < text.len)
			buf_char(out, text.ptr[i]);
	}
}

static void escape(struct buf *out, unsigned char c)
{
	static const char shorts[] = "\bb\tt\nn\ff\rr\"\"\\\\";

	for (const char *s = shorts; *s; s += 2)
		if ((unsigned char)s[0] == c) {
			buf_char(out, '\\');
			buf_char(out, s[1]);
			return;
		}
	buf_format(out, "\\u%04x", c);
}

void json_string(struct buf *out, struct slice text)
{
	size_t clean = 0;

	buf_reserve(out, text.len + 2);
	buf_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(out, text.ptr + clean, i - clean);
		escape(out, c);
		clean = i + 1;
	}
	buf_add(out, text.ptr + clean, text.len - clean);
	buf_char(out, '"');
}

void json_number(struct buf *out, double value)
{
	if (value >= 0 && value < 9007199254740992.0 && value == (double)(uint64_t)value)
		buf_u64(out, (uint64_t)value);
	else
		buf_format(out, "%.15g", value);
}

void json_time(struct buf *out, int64_t wall_ms)
{
	buf_reserve(out, CLOCK_TEXT_LEN + 3);
	buf_char(out, '"');
	clock_format(wall_ms, out->ptr + out->len);
	out->len += CLOCK_TEXT_LEN;
	buf_char(out, '"');
}

void json_words(struct buf *out, const char *words)
{
	const char *separator = "";

	buf_char(out, '[');
	for (const char *at = words; *at; at += *at == ' ') {
		size_t len = strcspn(at, " ");
		buf_format(out, "%s\"%.*s\"", separator, (int)len, at);
		separator = ",";
		at += len;
	}
	buf_char(out, ']');
}

void json_name(struct buf *out, const char *name)
{
	if (out->len && out->ptr[out->len - 1] != '{' && out->ptr[out->len - 1] != '[')
		buf_char(out, ',');
	buf_char(out, '"');
	buf_text(out, name);
	buf_text(out, "\":");
}

void json_text(struct buf *out, const char *name, const char *text)
{
	if (!text)
		return;
	json_name(out, name);
	json_string(out, slice_of(text));
}
