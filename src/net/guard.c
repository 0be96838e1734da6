#include "guard.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"

#define LENGTH_DIGITS 15 /* more is over every limit there could be */

static const enum lws_token_indexes method_tokens[METHOD_COUNT] = {
	[METHOD_GET] = WSI_TOKEN_GET_URI,       [METHOD_POST] = WSI_TOKEN_POST_URI,
	[METHOD_PUT] = WSI_TOKEN_PUT_URI,       [METHOD_PATCH] = WSI_TOKEN_PATCH_URI,
	[METHOD_DELETE] = WSI_TOKEN_DELETE_URI, [METHOD_OPTIONS] = WSI_TOKEN_OPTIONS_URI,
	[METHOD_HEAD] = WSI_TOKEN_HEAD_URI,
};

/* Headers lws has a token for, and those it knows by name only (lower case, with the colon). */
static const struct {
	enum lws_token_indexes token;
	const char *name;
} header_sources[HEADER_COUNT] = {
	[HEADER_CONTENT_TYPE] = { WSI_TOKEN_HTTP_CONTENT_TYPE, NULL },
	[HEADER_IDEMPOTENCY_KEY] = { WSI_TOKEN_COUNT, "idempotency-key:" },
	[HEADER_LAST_EVENT_ID] = { WSI_TOKEN_COUNT, "last-event-id:" },
	[HEADER_IF_NONE_MATCH] = { WSI_TOKEN_HTTP_IF_NONE_MATCH, NULL },
	[HEADER_ACCEPT] = { WSI_TOKEN_HTTP_ACCEPT, NULL },
	[HEADER_ACCEPT_ENCODING] = { WSI_TOKEN_HTTP_ACCEPT_ENCODING, NULL },
	[HEADER_HOST] = { WSI_TOKEN_HOST, NULL },
	[HEADER_ORIGIN] = { WSI_TOKEN_ORIGIN, NULL },
	[HEADER_SEC_FETCH_SITE] = { WSI_TOKEN_COUNT, "sec-fetch-site:" },
};

static bool sent(struct lws *wsi, enum lws_token_indexes token)
{
	return lws_hdr_total_length(wsi, token) > 0 || lws_hdr_fragment_length(wsi, token, 0) > 0;
}

static bool sent_twice(struct lws *wsi, enum lws_token_indexes token)
{
	return lws_hdr_fragment_length(wsi, token, 1) > 0;
}

/* One method line, no other: METHOD_COUNT otherwise. */
static enum method find_method(struct lws *wsi)
{
	enum method found = METHOD_COUNT;

	for (int m = 0; m < METHOD_COUNT; m++) {
		if (!sent(wsi, method_tokens[m]))
			continue;
		if (found != METHOD_COUNT)
			return METHOD_COUNT;
		found = (enum method)m;
	}
	return found;
}

/* Path, query, and what stood between their parts. */
static uint64_t url_length(struct lws *wsi, enum method method)
{
	uint64_t len = (uint64_t)lws_hdr_total_length(wsi, method_tokens[method]);
	int part = 0, part_len;

	while ((part_len = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, part)) > 0) {
		len += (uint64_t)part_len + 1;
		part++;
	}
	return len;
}

static bool check_sizes(struct lws *wsi, const struct limits *limits, enum method method, struct problem *problem)
{
	uint64_t url = url_length(wsi, method), known = 0;

	if (url > limits->url_bytes)
		return problem_set(problem, OUTCOME_URI_TOO_LONG, "the URL may have %llu bytes",
				   (unsigned long long)limits->url_bytes);
	for (int token = 0; token < WSI_TOKEN_COUNT; token++)
		known += (uint64_t)lws_hdr_total_length(wsi, (enum lws_token_indexes)token);
	if (known > limits->header_bytes + url)
		return problem_set(problem, OUTCOME_HEADERS_TOO_LARGE, "the headers may have %llu bytes",
				   (unsigned long long)limits->header_bytes);
	return true;
}

/* Digits only, once; RFC 9112 section 6.3. */
static bool read_length(struct lws *wsi, struct request *r, bool *given, struct problem *problem)
{
	char text[LENGTH_DIGITS + 2];
	int len = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);

	*given = len > 0;
	if (!*given)
		return true;
	if (sent_twice(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH))
		return problem_set(problem, OUTCOME_BAD_REQUEST, "Content-Length is given twice");
	if (len <= LENGTH_DIGITS && lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) == len) {
		int digits = 0;
		while (digits < len && text[digits] >= '0' && text[digits] <= '9')
			digits++;
		if (digits == len) {
			r->length = strtoull(text, NULL, 10);
			return true;
		}
	}
	return problem_set(problem, OUTCOME_BAD_REQUEST, "Content-Length must be a plain number");
}

static bool check_framing(struct lws *wsi, const struct limits *limits, struct request *r, struct problem *problem)
{
	bool chunked = sent(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING), given;

	if (!read_length(wsi, r, &given, problem))
		return false;
	if (chunked && given)
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "Content-Length and Transfer-Encoding exclude each other");
	bool has_body = r->method == METHOD_POST || r->method == METHOD_PUT || r->method == METHOD_PATCH;
	if (chunked || (has_body && !given))
		return problem_set(problem, OUTCOME_LENGTH_REQUIRED,
		                   "send Content-Length; chunked bodies are not taken");
	if (r->length > limits->body_bytes)
		return problem_set(problem, OUTCOME_BODY_TOO_LARGE, "a body may have %llu bytes, this one has %llu",
				   (unsigned long long)limits->body_bytes, (unsigned long long)r->length);
	return true;
}

static bool check_host(struct lws *wsi, struct request *r, struct problem *problem)
{
	char version[16] = "";

	lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_HTTP);
	bool old = strcmp(version, "HTTP/1.0") == 0;
	r->http_1_0 = old;
	r->keep_alive = !old;
	if (!old && strcmp(version, "HTTP/1.1") != 0)
		return problem_set(problem, OUTCOME_BAD_REQUEST, "this server speaks HTTP/1.1 and HTTP/1.0");
	if (sent_twice(wsi, WSI_TOKEN_HOST) || (!old && lws_hdr_total_length(wsi, WSI_TOKEN_HOST) <= 0))
		return problem_set(problem, OUTCOME_BAD_REQUEST, "exactly one Host header is required");
	return true;
}

/* Copies behind the text; the room was reserved, so slices stay where they are. */
static struct slice keep(struct request *r, const char *bytes, int len)
{
	struct slice s = { r->text.ptr + r->text.len, (size_t)len };

	buf_add(&r->text, bytes, (size_t)len);
	return s;
}

/* lws has decoded %XX by now, splits the path at '&' and ';', and ends it at a NUL. */
static bool read_path(struct lws *wsi, struct request *r, char *scratch, int scratch_len, struct problem *problem)
{
	enum lws_token_indexes token = method_tokens[r->method];
	int len = lws_hdr_copy(wsi, scratch, scratch_len, token);

	if (len <= 0 || lws_hdr_fragment_length(wsi, token, 1) > 0 || strlen(scratch) != (size_t)len)
		return problem_set(problem, OUTCOME_BAD_REQUEST, "the path holds characters that cannot be in one");
	for (int i = 0; i < len; i++)
		if ((unsigned char)scratch[i] <= ' ' || (unsigned char)scratch[i] >= 0x7f)
			return problem_set(problem, OUTCOME_BAD_REQUEST,
			                   "the path holds characters that cannot be in one");
	r->path = keep(r, scratch, len);
	return true;
}

static bool read_args(struct lws *wsi, struct request *r, char *scratch, int scratch_len, struct problem *problem)
{
	int len;

	for (int i = 0; (len = lws_hdr_copy_fragment(wsi, scratch, scratch_len, WSI_TOKEN_HTTP_URI_ARGS, i)) >= 0;
	     i++) {
		if (!len)
			continue;
		if (r->arg_count == REQUEST_ARGS)
			return problem_set(problem, OUTCOME_BAD_REQUEST, "the query has more than %d arguments",
			                   REQUEST_ARGS);
		struct slice arg = { scratch, (size_t)len };
		if (memchr(arg.ptr, 0, arg.len) || !utf8_valid(arg))
			return problem_set(problem, OUTCOME_BAD_REQUEST, "the query is not valid UTF-8");
		r->args[r->arg_count++] = keep(r, scratch, len);
	}
	return true;
}

static int copy_header(struct lws *wsi, enum header h, char *scratch, int scratch_len)
{
	const char *name = header_sources[h].name;

	if (!name)
		return sent(wsi, header_sources[h].token)
		           ? lws_hdr_copy(wsi, scratch, scratch_len, header_sources[h].token)
		           : -1;
	int name_len = (int)strlen(name);
	if (lws_hdr_custom_length(wsi, name, name_len) < 0)
		return -1;
	return lws_hdr_custom_copy(wsi, scratch, scratch_len, name, name_len);
}

static void read_headers(struct lws *wsi, struct request *r, char *scratch, int scratch_len)
{
	char connection[32] = "";

	for (int h = 0; h < HEADER_COUNT; h++) {
		int len = copy_header(wsi, (enum header)h, scratch, scratch_len);
		if (len >= 0)
			r->headers[h] = keep(r, scratch, len);
	}
	lws_hdr_copy(wsi, connection, sizeof(connection), WSI_TOKEN_CONNECTION);
	if (strcasecmp(connection, "close") == 0)
		r->keep_alive = false;
	if (strcasecmp(connection, "keep-alive") == 0)
		r->keep_alive = true;
}

static bool read_request(struct lws *wsi, const struct limits *limits, struct request *r, struct problem *problem)
{
	int room = (int)(limits->url_bytes + limits->header_bytes + 64);

	if (!check_sizes(wsi, limits, r->method, problem) || !check_host(wsi, r, problem) ||
	    !check_framing(wsi, limits, r, problem))
		return false;
	char *scratch = xmalloc((size_t)room);
	buf_reserve(&r->text, (size_t)room);
	bool ok = read_path(wsi, r, scratch, room, problem) && read_args(wsi, r, scratch, room, problem);
	if (ok)
		read_headers(wsi, r, scratch, room);
	free(scratch);
	r->head = r->method == METHOD_HEAD;
	if (r->head)
		r->method = METHOD_GET;
	return ok;
}

struct request *guard_request(struct lws *wsi, const struct limits *limits, uint64_t *length, struct problem *problem)
{
	struct request *r = xcalloc(1, sizeof(*r));
	bool ok = false;

	r->method = find_method(wsi);
	if (r->method == METHOD_COUNT)
		problem_set(problem, OUTCOME_BAD_REQUEST, "the request line cannot be read");
	else
		ok = read_request(wsi, limits, r, problem);
	*length = r->length;
	if (ok)
		return r;
	request_free(r);
	return NULL;
}

bool guard_expects_continue(struct lws *wsi)
{
	char value[32] = "";

	return lws_hdr_copy(wsi, value, sizeof(value), WSI_TOKEN_HTTP_EXPECT) > 0 &&
	       strcasecmp(value, "100-continue") == 0;
}
