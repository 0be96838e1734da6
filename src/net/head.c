#include "head.h"

#include <strings.h>

#include "http.h"

struct scan {
	const unsigned char *at, *end;
	const struct limits *limits;
	struct problem *problem;
};

static enum head refuse(struct scan *s, enum outcome o, const char *detail)
{
	problem_set(s->problem, o, "%s", detail);
	return HEAD_REFUSED;
}

static enum head bad(struct scan *s, const char *detail)
{
	return refuse(s, OUTCOME_BAD_REQUEST, detail);
}

/* tchar of RFC 9110 section 5.6.2. */
static bool is_token(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool method_known(struct slice name)
{
	for (int m = 0; m < METHOD_COUNT; m++)
		if (slice_is(name, method_text((enum method)m)))
			return true;
	return false;
}

static enum head check_method(struct scan *s)
{
	const unsigned char *start = s->at;

	while (s->at < s->end && is_token(*s->at) && s->at - start < 32)
		s->at++;
	if (s->at == s->end && s->at - start < 32)
		return HEAD_INCOMPLETE;
	struct slice name = { (const char *)start, (size_t)(s->at - start) };
	if (!name.len || *s->at != ' ')
		return bad(s, "the request line cannot be read");
	if (!method_known(name))
		return refuse(s, OUTCOME_METHOD_NOT_ALLOWED, "this method is not known here");
	s->at++;
	return HEAD_GOOD;
}

/* Visible characters; escapes whole, and none of a control character. */
static enum head check_target(struct scan *s)
{
	const unsigned char *start = s->at;

	for (; s->at < s->end && *s->at != ' '; s->at++) {
		if ((uint64_t)(s->at - start) >= s->limits->url_bytes)
			return refuse(s, OUTCOME_URI_TOO_LONG, "the URL is too long");
		if (*s->at < ' ' || *s->at >= 0x7f)
			return bad(s, "the URL holds a character that must be escaped");
		if (*s->at != '%')
			continue;
		if (s->end - s->at < 3)
			return HEAD_INCOMPLETE;
		if (!is_hex(s->at[1]) || !is_hex(s->at[2]))
			return bad(s, "the URL holds a broken escape");
		if (s->at[1] < '2' || (s->at[1] == '7' && (s->at[2] | 0x20) == 'f'))
			return bad(s, "the URL holds a control character");
	}
	if (s->at == s->end)
		return HEAD_INCOMPLETE;
	if (*start != '/')
		return bad(s, "the request target must be a path");
	s->at++;
	return HEAD_GOOD;
}

static enum head check_version(struct scan *s)
{
	static const char start[] = "HTTP/1.";
	size_t len = strlen(start), have = (size_t)(s->end - s->at);

	if (memcmp(s->at, start, have < len ? have : len) != 0)
		return bad(s, "the request line cannot be read");
	if (have < len + 3)
		return HEAD_INCOMPLETE;
	if ((s->at[len] != '0' && s->at[len] != '1') || s->at[len + 1] != '\r' || s->at[len + 2] != '\n')
		return bad(s, "this server speaks HTTP/1.1 and HTTP/1.0");
	s->at += len + 3;
	return HEAD_GOOD;
}

/* lws answers an upgrade that it does not know with a page of HTML. */
static bool upgrade_known(struct slice name, struct slice value)
{
	static const char *const known[] = { "websocket", "h2c" };

	if (name.len != strlen("upgrade") || strncasecmp(name.ptr, "upgrade", name.len) != 0)
		return true;
	while (value.len && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) {
		value.ptr++;
		value.len--;
	}
	while (value.len && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
		value.len--;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (value.len == strlen(known[i]) && strncasecmp(value.ptr, known[i], value.len) == 0)
			return true;
	return false;
}

/* field-name ":" field-value CRLF; no folding (RFC 9112 section 5.2). */
static enum head check_field(struct scan *s)
{
	const unsigned char *start = s->at;

	while (s->at < s->end && is_token(*s->at))
		s->at++;
	if (s->at == s->end)
		return HEAD_INCOMPLETE;
	if (s->at == start || *s->at != ':')
		return bad(s, "a header line must be a name, a colon and a value");
	struct slice name = { (const char *)start, (size_t)(s->at - start) };
	const unsigned char *value = s->at + 1;
	for (s->at++; s->at < s->end && *s->at != '\r'; s->at++)
		if ((*s->at < ' ' && *s->at != '\t') || *s->at == 0x7f)
			return bad(s, "a header value holds a control character");
	if (s->end - s->at < 2)
		return HEAD_INCOMPLETE;
	if (s->at[1] != '\n')
		return bad(s, "a header value holds a carriage return");
	if (!upgrade_known(name, (struct slice){ (const char *)value, (size_t)(s->at - value) }))
		return refuse(s, OUTCOME_UPGRADE_REQUIRED, "the only upgrade known here is to websocket");
	s->at += 2;
	return HEAD_GOOD;
}

static enum head check_fields(struct scan *s)
{
	const unsigned char *start = s->at;
	enum head h = HEAD_GOOD;

	while (h == HEAD_GOOD) {
		if (s->end - s->at >= 2 && s->at[0] == '\r' && s->at[1] == '\n')
			return HEAD_GOOD;
		if (s->at == s->end || (*s->at == '\r' && s->end - s->at == 1))
			h = HEAD_INCOMPLETE;
		else
			h = check_field(s);
		if (h != HEAD_REFUSED && (uint64_t)(s->at - start) > s->limits->header_bytes)
			return refuse(s, OUTCOME_HEADERS_TOO_LARGE, "the headers are too large");
	}
	return h;
}

enum head head_check(struct slice bytes, const struct limits *limits, struct problem *problem)
{
	static enum head (*const steps[])(struct scan *) = { check_method, check_target, check_version, check_fields };
	const unsigned char *start = (const unsigned char *)bytes.ptr;
	struct scan s = { start, start + bytes.len, limits, problem };
	enum head h = HEAD_GOOD;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && h == HEAD_GOOD; i++)
		h = steps[i](&s);
	return h;
}
