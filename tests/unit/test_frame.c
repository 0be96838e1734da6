/* How bytes stand on a wire: chunks, fragments, and the data lines of a snapshot. */
#include "kit.h"

#include "joblight/core/frame.h"

/* Chunks. */

static void fill(struct buf *b, size_t len)
{
	buf_reserve(b, len);
	memset(b->ptr + b->len, 'x', len);
	b->len += len;
}

static void chunk_is(size_t payload, const char *head)
{
	struct buf b = { 0 };
	size_t at = wrap_begin(&b, 0), len = strlen(head);

	fill(&b, payload);
	size_t from = wrap_chunk(&b, at);
	assert_int_equal(at - from, len);
	assert_memory_equal(b.ptr + from, head, len);
	assert_int_equal(b.len, at + payload + 2);
	assert_memory_equal(b.ptr + b.len - 3, "x\r\n", 3);
	buf_finish(&b);
}

static void a_chunk_has_its_length_in_hex(void **state)
{
	(void)state;
	chunk_is(1, "1\r\n");
	chunk_is(15, "f\r\n");
	chunk_is(16, "10\r\n");
	chunk_is(24576, "6000\r\n");
	chunk_is(1 << 20, "100000\r\n");
}

static void bytes_in_front_stay_free(void **state)
{
	struct buf b = { 0 };

	(void)state;
	size_t at = wrap_begin(&b, 100);
	buf_text(&b, "hello");
	assert_true(wrap_chunk(&b, at) >= 100);
	buf_finish(&b);
}

/* Fragments. */

static void fragment_is(size_t payload, bool first, bool last, const char *head, size_t len)
{
	struct buf b = { 0 };
	size_t at = wrap_begin(&b, 0);

	fill(&b, payload);
	size_t from = wrap_fragment(&b, at, first, last);
	assert_int_equal(at - from, len);
	assert_memory_equal(b.ptr + from, head, len);
	assert_int_equal(b.len, at + payload);
	buf_finish(&b);
}

static void a_fragment_says_where_in_its_message_it_is(void **state)
{
	(void)state;
	fragment_is(5, true, true, "\x81\x05", 2);
	fragment_is(5, true, false, "\x01\x05", 2);
	fragment_is(5, false, false, "\x00\x05", 2);
	fragment_is(5, false, true, "\x80\x05", 2);
}

static void a_fragment_has_the_shortest_length(void **state)
{
	(void)state;
	fragment_is(125, true, true, "\x81\x7d", 2);
	fragment_is(126, true, true, "\x81\x7e\x00\x7e", 4);
	fragment_is(65535, true, true, "\x81\x7e\xff\xff", 4);
	fragment_is(65536, true, true, "\x81\x7f\0\0\0\0\0\1\0\0", 10);
}

/* Lines. */

/* A snapshot with `count` tasks of `size` bytes each (14 at least); *rows_at as the reading says
 * it. */
static struct buf snapshot(size_t count, size_t size, size_t *rows_at)
{
	struct buf b = { 0 };

	buf_text(&b, "{\"id\":\"j\",\"metadata\":{\"a\":[{\"id\":\"m\"},{\"id\":\"n\"}]},");
	*rows_at = b.len;
	buf_text(&b, "\"tasks\":[");
	for (size_t i = 0; i < count; i++) {
		buf_text(&b, i ? ",{\"id\":\"" : "{\"id\":\"");
		fill(&b, size - 9);
		buf_text(&b, "\"}");
	}
	buf_text(&b, "],\"deliverables\":[],\"seq\":1}");
	return b;
}

static size_t line(const struct buf *b, size_t rows_at, size_t from, size_t used)
{
	size_t end = frame_line_end(buf_as_slice(b), rows_at, from, used);

	assert_in_range(end, from, b->len);
	if (end < b->len && end)
		assert_memory_equal(b->ptr + end, "{\"id\":\"", 7);
	return end;
}

static void a_small_snapshot_is_one_line(void **state)
{
	size_t rows_at;
	struct buf b = snapshot(3, 100, &rows_at);

	(void)state;
	assert_int_equal(line(&b, rows_at, 0, 300), b.len);
	buf_finish(&b);
}

static void lines_are_as_long_as_they_may_be(void **state)
{
	size_t rows_at, from = 0, used = 300, lines = 0;
	struct buf b = snapshot(1000, 200, &rows_at);

	(void)state;
	for (; from < b.len; lines++, used = 0) {
		size_t end = line(&b, rows_at, from, used);
		assert_true(used + end - from <= DATA_LINE_MAX - strlen("data: ") - 1);
		if (end < b.len)
			assert_true(used + end - from > DATA_LINE_MAX - 250);
		from = end;
	}
	assert_int_equal(lines, 7);
	buf_finish(&b);
}

static void a_line_is_cut_at_its_limit_and_not_before(void **state)
{
	size_t rows_at, first_row, most = DATA_LINE_MAX - 16;
	struct buf b = snapshot(2, 20000, &rows_at);

	(void)state;
	first_row = rows_at + strlen("\"tasks\":[");
	assert_int_equal(line(&b, rows_at, first_row, 0), first_row + 20001);
	size_t rest = b.len - (first_row + 20001);
	assert_int_equal(line(&b, rows_at, first_row + 20001, most - rest), b.len);
	assert_int_equal(line(&b, rows_at, first_row + 20001, most - rest + 1), first_row + 20001);
	buf_finish(&b);
}

static void a_larger_row_stands_alone(void **state)
{
	size_t rows_at, first_row;
	struct buf b = snapshot(3, 50000, &rows_at);

	(void)state;
	first_row = rows_at + strlen("\"tasks\":[");
	assert_int_equal(line(&b, rows_at, 0, 300), first_row);
	assert_int_equal(line(&b, rows_at, first_row, 0), first_row + 50001);
	assert_int_equal(line(&b, rows_at, first_row + 50001, 0), first_row + 100002);
	assert_int_equal(line(&b, rows_at, first_row + 100002, 0), b.len);
	buf_finish(&b);
}

/* What looks like a row in front of the rows is the user's, and a quote in a string is escaped. */
static void only_rows_are_cut_between(void **state)
{
	size_t rows_at;
	struct buf b = { 0 };

	(void)state;
	buf_text(&b, "{\"metadata\":[");
	while (b.len < 40000)
		buf_text(&b, "{\"id\":\"m\"},");
	buf_text(&b, "0],");
	rows_at = b.len;
	buf_text(&b, "\"tasks\":[{\"id\":\"a\",\"note\":\"");
	while (b.len < 80000)
		buf_text(&b, ",{\\\"id\\\":\\\"m\\\"},");
	buf_text(&b, "\"},{\"id\":\"b\"}]}");
	size_t row = rows_at + strlen("\"tasks\":[");
	assert_int_equal(line(&b, rows_at, 0, 0), row);
	assert_int_equal(line(&b, rows_at, row, 0), b.len - strlen("{\"id\":\"b\"}]}"));
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_chunk_has_its_length_in_hex),
		TEST(bytes_in_front_stay_free),
		TEST(a_fragment_says_where_in_its_message_it_is),
		TEST(a_fragment_has_the_shortest_length),
		TEST(a_small_snapshot_is_one_line),
		TEST(lines_are_as_long_as_they_may_be),
		TEST(a_line_is_cut_at_its_limit_and_not_before),
		TEST(a_larger_row_stands_alone),
		TEST(only_rows_are_cut_between),
	};

	return RUN("frame", tests);
}
