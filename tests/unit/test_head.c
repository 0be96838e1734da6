#include "kit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "net/request_check.h"

static const struct limits limits = { .url_bytes = 64, .header_bytes = 128, .body_bytes = 1000 };

/* Parses bytes that end where memory does; *copy is theirs, to be given back with unmap(). */
static enum request_head_result parse(struct slice bytes, struct request_head *head,
                                      struct problem *problem, char **copy)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *room = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	                  0);

	assert_true(room != MAP_FAILED && bytes.len <= page);
	assert_int_equal(mprotect(room + page, page, PROT_NONE), 0);
	*copy = memcpy(room + page - bytes.len, bytes.ptr, bytes.len);
	return request_head_parse((struct slice){ *copy, bytes.len }, &limits, head, problem);
}

static void unmap(char *copy, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	munmap(copy + len - page, 2 * page);
}

static enum request_head_result result_of(struct slice bytes, struct problem *problem)
{
	struct request_head head;
	char *copy;
	enum request_head_result h = parse(bytes, &head, problem, &copy);

	unmap(copy, bytes.len);
	return h;
}

static void every_beginning_of_a_good_head_is_incomplete(void **state)
{
	static const char good[] =
	    "POST /a%20b?c=%C3%A9 HTTP/1.1\r\nHost: h\r\nX:\r\nY: \tz \r\n\r\n";

	(void)state;
	for (size_t len = 1; len < sizeof(good) - 1; len++) {
		struct problem p = { 0 };
		if (result_of((struct slice){ good, len }, &p) != HEAD_INCOMPLETE)
			fail_msg("%zu bytes: %s", len, p.detail);
	}
	struct problem p = { 0 };
	assert_int_equal(result_of(slice_of(good), &p), HEAD_GOOD);
}

static void a_good_head_is_taken_apart(void **state)
{
	static const char good[] =
	    "GET /x?y HTTP/1.0\r\nHost:  h \r\nEmpty:\r\nA: b c\t\r\n\r\nbody";
	struct slice bytes = slice_of(good), name, value;
	struct problem p = { 0 };
	struct request_head head;
	char *copy;

	(void)state;
	assert_int_equal(parse(bytes, &head, &p, &copy), HEAD_GOOD);
	assert_int_equal(head.method, METHOD_GET);
	assert_true(head.http_1_0);
	assert_true(slice_is(head.target, "/x?y"));
	assert_int_equal(head.len, bytes.len - 4);
	assert_true(request_head_next_field(&head.fields, &name, &value) &&
	            slice_is(name, "Host") && slice_is(value, "h"));
	assert_true(request_head_next_field(&head.fields, &name, &value) &&
	            slice_is(name, "Empty") && !value.len);
	assert_true(request_head_next_field(&head.fields, &name, &value) && slice_is(name, "A") &&
	            slice_is(value, "b c"));
	assert_false(request_head_next_field(&head.fields, &name, &value));
	unmap(copy, bytes.len);
}

static void what_is_no_head_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		enum outcome outcome;
	} rows[] = {
		{ " GET / HTTP/1.1\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET\t/ HTTP/1.1\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET  HTTP/1.1\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET /\x80 HTTP/1.1\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET /%4 HTTP/1.1\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET /%1f HTTP/1.1\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET /%7F HTTP/1.1\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET / HTTP/1.2\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET / HTTP/1.1\n\n", OUTCOME_BAD_REQUEST },
		{ "GET / HTTP/1.1\r\n folded: x\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET / HTTP/1.1\r\nA : b\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET / HTTP/1.1\r\nA: b\nc\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", OUTCOME_BAD_REQUEST },
		{ "BREW / HTTP/1.1\r\n\r\n", OUTCOME_METHOD_NOT_ALLOWED },
		{ "get / HTTP/1.1\r\n\r\n", OUTCOME_METHOD_NOT_ALLOWED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct problem p = { 0 };
		if (result_of(slice_of(rows[i].bytes), &p) != HEAD_REFUSED ||
		    p.outcome != rows[i].outcome)
			fail_msg("%s", rows[i].bytes);
	}
}

/* A target and headers of these sizes. */
static void sized(struct buf *out, size_t url, size_t headers)
{
	out->len = 0;
	buf_text(out, "GET /");
	for (size_t i = 1; i < url; i++)
		buf_char(out, 'u');
	buf_text(out, " HTTP/1.1\r\nX: ");
	for (size_t i = strlen("X: \r\n"); i < headers; i++)
		buf_char(out, 'x');
	buf_text(out, "\r\n\r\n");
}

static void sizes_have_their_limits(void **state)
{
	struct problem p = { 0 };
	struct buf b = { 0 };

	(void)state;
	sized(&b, 64, 128);
	assert_int_equal(result_of(buf_as_slice(&b), &p), HEAD_GOOD);
	sized(&b, 65, 128);
	assert_int_equal(result_of(buf_as_slice(&b), &p), HEAD_REFUSED);
	assert_int_equal(p.outcome, OUTCOME_URI_TOO_LONG);
	sized(&b, 64, 129);
	assert_int_equal(result_of(buf_as_slice(&b), &p), HEAD_REFUSED);
	assert_int_equal(p.outcome, OUTCOME_HEADERS_TOO_LARGE);
	buf_finish(&b);
}

/* The bytes end where the name does, so that a byte too many would be seen. */
static void a_method_has_31_bytes_at_most(void **state)
{
	static const char name[] = "AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDE /";
	struct problem p = { 0 };

	(void)state;
	assert_int_equal(result_of((struct slice){ name, 31 }, &p), HEAD_INCOMPLETE);
	assert_int_equal(result_of((struct slice){ name, 32 }, &p), HEAD_REFUSED);
	assert_int_equal(p.outcome, OUTCOME_BAD_REQUEST);
	assert_int_equal(result_of((struct slice){ name + 1, 31 }, &p), HEAD_INCOMPLETE);
	assert_int_equal(result_of((struct slice){ name + 1, 33 }, &p), HEAD_REFUSED);
	assert_int_equal(p.outcome, OUTCOME_METHOD_NOT_ALLOWED);
	problem_finish(&p);
}

/* The request of a good head, or NULL with a problem. */
static struct request *request_of(const char *bytes, struct problem *problem)
{
	struct request_head head;
	char *copy;

	*problem = (struct problem){ 0 };
	assert_int_equal(parse(slice_of(bytes), &head, problem, &copy), HEAD_GOOD);
	struct request *r = request_check(
	    &head, &limits, (struct server_paths){ "", "/jobs/", "/api/imports" }, problem);
	unmap(copy, strlen(bytes));
	if (!outcome_is_error(problem->outcome))
		return r;
	request_free(r);
	return NULL;
}

static void refused(const char *bytes, enum outcome wanted)
{
	struct problem p = { 0 };

	if (request_of(bytes, &p) || p.outcome != wanted)
		fail_msg("%s", bytes);
}

/* The answer depends on it: HEAD gets no body, and the page of the origin may read the refusal. */
static void a_refused_request_keeps_its_method_and_origin(void **state)
{
	const char *bytes = "HEAD /?a=%ff HTTP/1.1\r\nHost: h\r\nOrigin: https://o\r\n\r\n";
	struct problem p = { 0 };
	struct request_head head;
	char *copy;

	(void)state;
	assert_int_equal(parse(slice_of(bytes), &head, &p, &copy), HEAD_GOOD);
	struct request *r = request_check(
	    &head, &limits, (struct server_paths){ "", "/jobs/", "/api/imports" }, &p);
	unmap(copy, strlen(bytes));
	assert_int_equal(p.outcome, OUTCOME_BAD_REQUEST);
	assert_true(r->head && r->method == METHOD_GET);
	assert_true(slice_is(r->headers[HEADER_ORIGIN], "https://o"));
	request_free(r);
}

static void a_request_keeps_what_its_head_said(void **state)
{
	struct problem p = { 0 };
	struct slice value;

	(void)state;
	struct request *r = request_of(
	    "PUT http://H:1/a%2fb%20/?x=%41+1&&y HTTP/1.1\r\nHost: other\r\nContent-Length: 12\r\n"
	    "If-None-Match: a\r\nExpect: 100-Continue\r\nIf-None-Match: b\r\n\r\n",
	    &p);
	assert_null(r); /* a space in the path */
	r = request_of(
	    "PUT http://H:1/a%2fb/?x=%41+1&&y HTTP/1.1\r\nHost: other\r\nContent-Length: 12\r\n"
	    "If-None-Match: a\r\nExpect: 100-Continue\r\nIf-None-Match: b\r\n\r\n",
	    &p);
	assert_non_null(r);
	assert_true(slice_is(r->path, "/a%2fb"));
	assert_true(request_arg(r, "x", &value) && slice_is(value, "A+1"));
	assert_true(request_arg(r, "y", &value) && !value.len);
	assert_true(slice_is(r->headers[HEADER_HOST], "H:1"));
	assert_true(slice_is(r->headers[HEADER_IF_NONE_MATCH], "a, b"));
	assert_true(r->length == 12 && !r->chunked && r->keep_alive && r->expects_continue &&
	            !r->http_1_0);
	request_free(r);
}

static void framing_that_has_two_meanings_is_refused(void **state)
{
	(void)state;
	refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
	        OUTCOME_BAD_REQUEST);
	refused(
	    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	    OUTCOME_BAD_REQUEST);
	refused("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
	        "chunked\r\n\r\n",
	        OUTCOME_BAD_REQUEST);
	refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", OUTCOME_BAD_REQUEST);
	refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", OUTCOME_BAD_REQUEST);
	refused("POST / HTTP/1.1\r\nHost: h\r\n\r\n", OUTCOME_LENGTH_REQUIRED);
	refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n",
	        OUTCOME_BODY_TOO_LARGE);
	refused("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", OUTCOME_BAD_REQUEST);
	refused("GET http://h/ HTTP/1.1\r\n\r\n", OUTCOME_BAD_REQUEST);
	refused("GET / HTTP/1.1\r\nHost:\r\n\r\n", OUTCOME_BAD_REQUEST);
	refused("GET /?%ff HTTP/1.1\r\nHost: h\r\n\r\n", OUTCOME_BAD_REQUEST);
	refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Encoding: br\r\n\r\n",
	        OUTCOME_UNSUPPORTED_MEDIA_TYPE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_beginning_of_a_good_head_is_incomplete),
		TEST(a_good_head_is_taken_apart),
		TEST(what_is_no_head_is_refused),
		TEST(sizes_have_their_limits),
		TEST(a_method_has_31_bytes_at_most),
		TEST(a_request_keeps_what_its_head_said),
		TEST(a_refused_request_keeps_its_method_and_origin),
		TEST(framing_that_has_two_meanings_is_refused),
	};

	return RUN("head", tests);
}
