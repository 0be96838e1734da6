#include "kit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "net/chunked.h"

#define BODY_MAX 32
#define BESIDE_MAX 16

/* The bytes end where memory does: who reads on is killed. */
static char *at_the_edge(struct slice bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *room = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	                  0);

	assert_true(room != MAP_FAILED && bytes.len <= page);
	assert_int_equal(mprotect(room + page, page, PROT_NONE), 0);
	return memcpy(room + page - bytes.len, bytes.ptr, bytes.len);
}

static void give_back(char *bytes, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	munmap(bytes + len - page, 2 * page);
}

/* Feeds `bytes` in pieces of `size`; *rest is how many were left when it was over. */
static enum chunked_result feed(struct slice bytes, size_t size, struct buf *out, size_t *rest)
{
	struct chunked c = { 0 };
	enum chunked_result result = CHUNKED_MORE;

	while (bytes.len && result == CHUNKED_MORE) {
		struct slice piece = { bytes.ptr, size < bytes.len ? size : bytes.len };
		char *copy = at_the_edge(piece);
		struct slice in = { copy, piece.len };
		result = chunked_take(&c, &in, out, BODY_MAX, BESIDE_MAX);
		bytes.ptr += piece.len - in.len;
		bytes.len -= piece.len - in.len;
		give_back(copy, piece.len);
	}
	*rest = bytes.len;
	return result;
}

static void is_decoded(const char *bytes, const char *body, const char *after)
{
	for (size_t size = 1; size <= strlen(bytes); size++) {
		struct buf out = { 0 };
		size_t rest;
		assert_int_equal(feed(slice_of(bytes), size, &out, &rest), CHUNKED_DONE);
		assert_string_equal(buf_string(&out), body);
		assert_int_equal(rest, strlen(after));
		buf_finish(&out);
	}
}

static void a_body_in_chunks_is_decoded_wherever_it_is_cut(void **state)
{
	(void)state;
	is_decoded("0\r\n\r\n", "", "");
	is_decoded("5\r\nhello\r\n0\r\n\r\nGET /", "hello", "GET /");
	is_decoded("1\r\na\r\n2\r\nbc\r\nA\r\ndefghijklm\r\n00\r\n\r\n", "abcdefghijklm", "");
	is_decoded("000000000000005\r\nhello\r\n0\r\n\r\n", "hello", "");
	is_decoded("5;x=\"y\"\r\nhello\r\n0 ;z\r\n\r\n", "hello", "");
	is_decoded("5\r\n0\r\n\r\n\r\n0\r\nA: b\r\nC:\r\n\r\n", "0\r\n\r\n", "");
}

static void is(const char *bytes, enum chunked_result wanted)
{
	for (size_t size = 1; size <= strlen(bytes); size++) {
		struct buf out = { 0 };
		size_t rest;
		if (feed(slice_of(bytes), size, &out, &rest) != wanted)
			fail_msg("in pieces of %zu: %s", size, bytes);
		assert_true(out.len <= BODY_MAX);
		buf_finish(&out);
	}
}

static void what_is_no_chunk_is_refused(void **state)
{
	static const char *const bad[] = {
		"x",
		"-1\r\n",
		"+1\r\n",
		" 1\r\n",
		"\r\n",
		";a\r\n",
		"\n",
		"1\n",
		"1\rx",
		"1x\r\n",
		"0000000000000005\r\n",
		"FFFFFFFFFFFFFFFF\r\n",
		"1;\x01",
		"1;a\n",
		"1;a\rb",
		"1\r\naX",
		"1\r\na\n",
		"1\r\na\rX",
		"1\r\na\r\n\r\n",
		"0\r\n\n",
		"0\r\n\rX",
		"0\r\n A: b\r\n",
		"0\r\n: b\r\n",
		"0\r\nA\r\n",
		"0\r\nA b: c\r\n",
		"0\r\nA: \x7f",
		"0\r\nA: b\n",
		"0\r\nA: b\rX",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		is(bad[i], CHUNKED_BAD);
}

static void what_is_not_complete_waits(void **state)
{
	static const char *const part[] = {
		"1",     "1\r",     "1\r\n",  "1\r\na",  "1\r\na\r",    "1\r\na\r\n",
		"0\r\n", "0\r\n\r", "0\r\nA", "0\r\nA:", "0\r\nA: b\r", "0\r\nA: b\r\n"
	};

	(void)state;
	for (size_t i = 0; i < COUNT(part); i++)
		is(part[i], CHUNKED_MORE);
}

static void a_body_has_its_limit(void **state)
{
	(void)state;
	is("20\r\n01234567890123456789012345678901\r\n0\r\n\r\n", CHUNKED_DONE);
	is("21\r\n", CHUNKED_TOO_LARGE); /* before the data has come */
	is("1F\r\n0123456789012345678901234567890\r\n2\r\n", CHUNKED_TOO_LARGE);
	is("1F\r\n0123456789012345678901234567890\r\n1\r\nx\r\n0\r\n\r\n", CHUNKED_DONE);
	is("7FFFFFFFFFFFFFF\r\n", CHUNKED_TOO_LARGE);
}

static void what_stands_beside_the_body_has_its_limit(void **state)
{
	(void)state;
	is("0;2345678901234\r\nA:\r\n\r\n", CHUNKED_DONE);
	is("0;23456789012345\r\nA:\r\n\r\n", CHUNKED_BAD);
	is("0;234567890123456\r\n\r\n", CHUNKED_DONE);
	is("0;2345678901234567\r\n\r\n", CHUNKED_BAD);
	is("0\r\nA:34567890123456\r\n\r\n", CHUNKED_DONE);
	is("0\r\nA:345678901234567\r\n\r\n", CHUNKED_BAD);
	is("1;2345678\r\nx\r\n1;2345678\r\ny\r\n0\r\n\r\n", CHUNKED_DONE);
	is("1;2345678\r\nx\r\n1;23456789\r\ny\r\n0\r\n\r\n", CHUNKED_BAD);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_body_in_chunks_is_decoded_wherever_it_is_cut),
		TEST(what_is_no_chunk_is_refused),
		TEST(what_is_not_complete_waits),
		TEST(a_body_has_its_limit),
		TEST(what_stands_beside_the_body_has_its_limit),
	};

	return RUN("chunked", tests);
}
