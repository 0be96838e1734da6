#include "request_check.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"

#define LENGTH_DIGITS 15 /* more digits exceed every possible limit */

static const struct {
	const char *name;
	bool is_list;
} known[HEADER_COUNT] = {
#define HEADER_ROW(id, name, is_list) { name, is_list },
	HEADERS(HEADER_ROW)
#undef HEADER_ROW
};

static bool is_word(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

static enum header find_header(struct slice name)
{
	for (int h = 0; h < HEADER_COUNT; h++)
		if (is_word(name, known[h].name))
			return (enum header)h;
	return HEADER_COUNT;
}

bool request_next_word(struct slice *list, struct slice *word)
{
	while (list->len && (*list->ptr == ',' || *list->ptr == ' ' || *list->ptr == '\t')) {
		list->ptr++;
		list->len--;
	}
	*word = (struct slice){ list->ptr, 0 };
	while (word->len < list->len && word->ptr[word->len] != ',')
		word->len++;
	list->ptr += word->len;
	list->len -= word->len;
	*word = slice_trimmed(*word);
	return word->len > 0;
}

bool request_header_has(const struct request *r, enum header h, const char *wanted)
{
	struct slice list = r->headers[h], word;

	while (request_next_word(&list, &word))
		if (is_word(word, wanted))
			return true;
	return false;
}

bool request_came_by_https(const struct request *r)
{
	struct slice list = r->headers[HEADER_X_FORWARDED_PROTO], word, last = { 0 };

	while (request_next_word(&list, &word))
		last = word;
	return is_word(last, "https");
}

bool request_asks_upgrade(const struct request_head *head)
{
	struct slice fields = head->fields, name, value;

	while (request_head_next_field(&fields, &name, &value))
		if (is_word(name, "upgrade") && is_word(value, "websocket"))
			return true;
	return false;
}

/* Appends to r->text, where the room was reserved, so that existing slices stay valid. */
static struct slice keep(struct request *r, struct slice bytes)
{
	struct slice s = { r->text.ptr + r->text.len, bytes.len };

	buf_slice(&r->text, bytes);
	return s;
}

/* Headers. */

/* A list may be sent in several lines.  `fields` are the lines after the first. */
static void join_list(struct request *r, enum header h, struct slice fields)
{
	struct slice name, value;

	while (request_head_next_field(&fields, &name, &value)) {
		if (!is_word(name, known[h].name))
			continue;
		buf_text(&r->text, ", ");
		buf_slice(&r->text, value);
		r->headers[h].len += 2 + value.len;
	}
}

static bool read_headers(struct request *r, const struct request_head *head,
                         struct problem *problem)
{
	struct slice fields = head->fields, name, value;

	while (request_head_next_field(&fields, &name, &value)) {
		enum header h = find_header(name);
		if (h == HEADER_COUNT)
			continue;
		if (!r->headers[h].ptr) {
			r->headers[h] = keep(r, value);
			if (known[h].is_list)
				join_list(r, h, fields);
		} else if (!known[h].is_list) {
			return problem_set(problem, OUTCOME_BAD_REQUEST,
			                   "the header %s is given twice", known[h].name);
		}
	}
	return true;
}

/* The target. */

static int hex_value(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/*
 * Decodes a path or an argument that the check of the head has accepted.  An escaped slash stays
 * escaped: it does not separate segments, and no known path has one inside a segment.
 */
static struct slice decode(struct request *r, struct slice from, bool is_path)
{
	struct slice s = { r->text.ptr + r->text.len, 0 };

	if (!memchr(from.ptr, '%', from.len))
		return keep(r, from);
	for (size_t i = 0; i < from.len; i++) {
		char c = from.ptr[i];
		if (c == '%' &&
		    !(is_path && from.ptr[i + 1] == '2' && (from.ptr[i + 2] | 0x20) == 'f')) {
			c = (char)(hex_value(from.ptr[i + 1]) << 4 | hex_value(from.ptr[i + 2]));
			i += 2;
		}
		buf_char(&r->text, c);
		s.len++;
	}
	return s;
}

/* Removes the base path.  A proxy in front may have removed it already. */
static struct slice without_base(struct slice path, const char *base_path)
{
	size_t len = strlen(base_path);

	if (!len || path.len < len || memcmp(path.ptr, base_path, len) != 0 ||
	    (path.len > len && path.ptr[len] != '/'))
		return path;
	struct slice rest = { path.ptr + len, path.len - len };
	return rest.len ? rest : SLICE("/");
}

/* A slash at the end is not part of the path. */
static bool read_path(struct request *r, struct slice path, struct server_paths paths,
                      struct problem *problem)
{
	r->path = without_base(decode(r, path, true), paths.base);
	bool is_free = request_is_below(r, paths.free);

	for (size_t i = 0; i < r->path.len && !is_free; i++)
		if ((unsigned char)r->path.ptr[i] <= ' ' || (unsigned char)r->path.ptr[i] >= 0x7f)
			return problem_set(problem, OUTCOME_BAD_REQUEST,
			                   "the path has characters that are not allowed");
	if (r->path.len > 1 && r->path.ptr[r->path.len - 1] == '/' &&
	    r->path.ptr[r->path.len - 2] != '/')
		r->path.len--;
	return true;
}

static bool add_arg(struct request *r, struct slice text, struct problem *problem)
{
	if (r->arg_count == REQUEST_ARGS)
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "the query has more than %d arguments", REQUEST_ARGS);
	struct slice arg = decode(r, text, false);
	if (!utf8_valid(arg))
		return problem_set(problem, OUTCOME_BAD_REQUEST, "the query is not valid UTF-8");
	r->args[r->arg_count++] = arg;
	return true;
}

static bool read_args(struct request *r, struct slice query, struct problem *problem)
{
	while (query.len) {
		const char *end = memchr(query.ptr, '&', query.len);
		struct slice arg = { query.ptr, end ? (size_t)(end - query.ptr) : query.len };
		size_t used = arg.len + (end ? 1 : 0);
		query.ptr += used;
		query.len -= used;
		if (arg.len && !add_arg(r, arg, problem))
			return false;
	}
	return true;
}

/*
 * Removes scheme and authority from a target in absolute form (RFC 9112 section 3.2.2).  The
 * authority becomes the host.
 */
static bool take_authority(struct request *r, struct slice *target, struct problem *problem)
{
	size_t scheme = target->len > 7 && strncasecmp(target->ptr, "http://", 7) == 0    ? 7
	                : target->len > 8 && strncasecmp(target->ptr, "https://", 8) == 0 ? 8
	                                                                                  : 0;
	struct slice host = { target->ptr + scheme, 0 };

	while (scheme + host.len < target->len && !strchr("/?", host.ptr[host.len]))
		host.len++;
	if (!scheme || !host.len || memchr(host.ptr, '@', host.len))
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "the request target must be a path or a URL");
	target->ptr += scheme + host.len;
	target->len -= scheme + host.len;
	r->headers[HEADER_HOST] = keep(r, host);
	return true;
}

static bool read_target(struct request *r, struct slice target, struct server_paths paths,
                        struct problem *problem)
{
	if (target.ptr[0] != '/' && !take_authority(r, &target, problem))
		return false;
	const char *mark = memchr(target.ptr, '?', target.len);
	struct slice path = { target.ptr, mark ? (size_t)(mark - target.ptr) : target.len },
	             query = { 0 };
	if (mark)
		query = (struct slice){ mark + 1, target.len - path.len - 1 };
	return read_path(r, path.len ? path : SLICE("/"), paths, problem) &&
	       read_args(r, query, problem);
}

/* Host and connection. */

static bool check_host(const struct request *r, struct problem *problem)
{
	if (!r->http_1_0 && !r->headers[HEADER_HOST].len)
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "exactly one Host header is required");
	return true;
}

static void read_connection(struct request *r)
{
	r->keep_alive = !r->http_1_0 || request_header_has(r, HEADER_CONNECTION, "keep-alive");
	if (request_header_has(r, HEADER_CONNECTION, "close"))
		r->keep_alive = false;
	r->expects_continue = !r->http_1_0 && request_header_has(r, HEADER_EXPECT, "100-continue");
}

/* The body. */

/* Digits only; RFC 9112 section 6.3. */
static bool read_length(struct request *r, struct problem *problem)
{
	return slice_number(r->headers[HEADER_CONTENT_LENGTH], LENGTH_DIGITS, &r->length) ||
	       problem_set(problem, OUTCOME_BAD_REQUEST, "Content-Length must be a plain number");
}

static bool read_coding(struct request *r, struct problem *problem)
{
	if (r->headers[HEADER_CONTENT_LENGTH].ptr)
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "Content-Length and Transfer-Encoding exclude each other");
	if (r->http_1_0)
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "HTTP/1.0 has no Transfer-Encoding");
	if (!is_word(r->headers[HEADER_TRANSFER_ENCODING], "chunked"))
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "the only supported Transfer-Encoding is chunked");
	r->chunked = true;
	return true;
}

static bool read_framing(struct request *r, struct problem *problem)
{
	if (r->headers[HEADER_TRANSFER_ENCODING].ptr)
		return read_coding(r, problem);
	if (r->headers[HEADER_CONTENT_LENGTH].ptr)
		return read_length(r, problem);
	if (r->method == METHOD_POST || r->method == METHOD_PUT || r->method == METHOD_PATCH)
		return problem_set(problem, OUTCOME_LENGTH_REQUIRED,
		                   "send Content-Length; an empty body has 0");
	return true;
}

static bool check_body(const struct request *r, const struct limits *limits,
                       struct problem *problem)
{
	struct slice coding = r->headers[HEADER_CONTENT_ENCODING];

	if (r->length > limits->body_bytes && !r->streamed)
		return problem_set(problem, OUTCOME_BODY_TOO_LARGE,
		                   "a body may have %llu bytes, this one has %llu",
		                   (unsigned long long)limits->body_bytes,
		                   (unsigned long long)r->length);
	if ((r->length || r->chunked) && coding.len && !is_word(coding, "identity"))
		return problem_set(problem, OUTCOME_UNSUPPORTED_MEDIA_TYPE,
		                   "send the body as it is, without a Content-Encoding");
	return true;
}

static bool read_request(struct request *r, const struct request_head *head,
                         const struct limits *limits, struct server_paths paths,
                         struct problem *problem)
{
	r->head = head->method == METHOD_HEAD;
	r->method = r->head ? METHOD_GET : head->method;
	r->http_1_0 = head->http_1_0;
	buf_reserve(&r->text, head->len);
	if (!read_headers(r, head, problem) || !check_host(r, problem) ||
	    !read_target(r, head->target, paths, problem) || !read_framing(r, problem))
		return false;
	r->streamed = r->method == METHOD_POST && slice_is(r->path, paths.stream);
	if (!check_body(r, limits, problem))
		return false;
	read_connection(r);
	return true;
}

struct request *request_check(const struct request_head *head, const struct limits *limits,
                              struct server_paths paths, struct problem *problem)
{
	struct request *r = xcalloc(1, sizeof(*r));

	read_request(r, head, limits, paths, problem);
	return r;
}
