#include "request_head.h"

#define METHOD_MAX 31 /* bytes; more are no method of any registry */

struct scan {
	const unsigned char *at, *end;
	const struct limits *limits;
	struct request_head *head;
	struct problem *problem;
};

static enum request_head_result refuse(struct scan *s, enum outcome o, const char *detail)
{
	problem_set(s->problem, o, "%s", detail);
	return HEAD_REFUSED;
}

static enum request_head_result bad(struct scan *s, const char *detail)
{
	return refuse(s, OUTCOME_BAD_REQUEST, detail);
}

bool request_head_is_token(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static enum method find_method(struct slice name)
{
	for (int m = 0; m < METHOD_COUNT; m++)
		if (slice_is(name, method_text((enum method)m)))
			return (enum method)m;
	return METHOD_COUNT;
}

/* RFC 9112 section 2.2: skip an empty line before the request line. */
static enum request_head_result skip_empty_line(struct scan *s)
{
	if (s->at == s->end || (*s->at == '\r' && s->end - s->at == 1))
		return HEAD_INCOMPLETE;
	if (s->at[0] == '\r' && s->at[1] == '\n')
		s->at += 2;
	return HEAD_GOOD;
}

static enum request_head_result check_method(struct scan *s)
{
	const unsigned char *start = s->at;

	while (s->at < s->end && request_head_is_token(*s->at) && s->at - start <= METHOD_MAX)
		s->at++;
	struct slice name = { (const char *)start, (size_t)(s->at - start) };
	if (s->at == s->end && name.len <= METHOD_MAX)
		return HEAD_INCOMPLETE;
	if (!name.len || name.len > METHOD_MAX || *s->at != ' ')
		return bad(s, "the request line cannot be read");
	s->head->method = find_method(name);
	if (s->head->method == METHOD_COUNT)
		return refuse(s, OUTCOME_METHOD_NOT_ALLOWED, "this method is not known here");
	s->at++;
	return HEAD_GOOD;
}

/* The target has visible characters only; escapes are complete, and none is a control character. */
static enum request_head_result check_target(struct scan *s)
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
	if (s->at == start)
		return bad(s, "the request line cannot be read");
	s->head->target = (struct slice){ (const char *)start, (size_t)(s->at - start) };
	s->at++;
	return HEAD_GOOD;
}

static enum request_head_result check_version(struct scan *s)
{
	static const char start[] = "HTTP/1.";
	size_t len = strlen(start), have = (size_t)(s->end - s->at);

	if (memcmp(s->at, start, have < len ? have : len) != 0)
		return bad(s, "the request line cannot be read");
	if (have < len + 3)
		return HEAD_INCOMPLETE;
	if ((s->at[len] != '0' && s->at[len] != '1') || s->at[len + 1] != '\r' ||
	    s->at[len + 2] != '\n')
		return bad(s, "this server speaks HTTP/1.1 and HTTP/1.0");
	s->head->http_1_0 = s->at[len] == '0';
	s->at += len + 3;
	return HEAD_GOOD;
}

/* field-name ":" field-value CRLF; no folding (RFC 9112 section 5.2). */
static enum request_head_result check_field(struct scan *s)
{
	const unsigned char *start = s->at;

	while (s->at < s->end && request_head_is_token(*s->at))
		s->at++;
	if (s->at == s->end)
		return HEAD_INCOMPLETE;
	if (s->at == start || *s->at != ':')
		return bad(s, "a header line must be a name, a colon and a value");
	for (s->at++; s->at < s->end && *s->at != '\r'; s->at++)
		if ((*s->at < ' ' && *s->at != '\t') || *s->at == 0x7f)
			return bad(s, "a header value holds a control character");
	if (s->end - s->at < 2)
		return HEAD_INCOMPLETE;
	if (s->at[1] != '\n')
		return bad(s, "a header value holds a carriage return");
	s->at += 2;
	return HEAD_GOOD;
}

static enum request_head_result check_fields(struct scan *s)
{
	const unsigned char *start = s->at;
	enum request_head_result h = HEAD_GOOD;

	while (h == HEAD_GOOD) {
		if (s->end - s->at >= 2 && s->at[0] == '\r' && s->at[1] == '\n') {
			s->head->fields = (struct slice){ (const char *)start,
				                          (size_t)(s->at - start) };
			s->at += 2;
			return HEAD_GOOD;
		}
		if (s->at == s->end || (*s->at == '\r' && s->end - s->at == 1))
			h = HEAD_INCOMPLETE;
		else
			h = check_field(s);
		if (h != HEAD_REFUSED && (uint64_t)(s->at - start) > s->limits->header_bytes)
			return refuse(s, OUTCOME_HEADERS_TOO_LARGE, "the headers are too large");
	}
	return h;
}

enum request_head_result request_head_parse(struct slice bytes, const struct limits *limits,
                                            struct request_head *head, struct problem *problem)
{
	static enum request_head_result (*const steps[])(struct scan *) = {
		skip_empty_line, check_method, check_target, check_version, check_fields,
	};
	const unsigned char *start = (const unsigned char *)bytes.ptr;
	struct scan s = { start, start + bytes.len, limits, head, problem };
	enum request_head_result h = HEAD_GOOD;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && h == HEAD_GOOD; i++)
		h = steps[i](&s);
	head->len = (size_t)(s.at - start);
	return h;
}

bool request_head_next_field(struct slice *fields, struct slice *name, struct slice *value)
{
	if (!fields->len)
		return false;
	const char *end = memchr(fields->ptr, '\r', fields->len);
	const char *colon = memchr(fields->ptr, ':', (size_t)(end - fields->ptr)),
	           *start = colon + 1;

	*name = (struct slice){ fields->ptr, (size_t)(colon - fields->ptr) };
	fields->len -= (size_t)(end + 2 - fields->ptr);
	fields->ptr = end + 2;
	*value = slice_trimmed((struct slice){ start, (size_t)(end - start) });
	return true;
}
