/* Server-sent events, in pieces of any size. */
#include "kit.h"

#include "cli/sse_reader.h"

struct seen {
	struct sse_reader reader;
	struct buf text; /* "type|data|id\n" for each message */
	size_t count, stop_after;
};

static bool see(void *context, const struct sse_message *m)
{
	struct seen *s = context;

	buf_slice(&s->text, m->type);
	buf_char(&s->text, '|');
	buf_slice(&s->text, m->data);
	buf_char(&s->text, '|');
	buf_slice(&s->text, buf_as_slice(&s->reader.id));
	buf_char(&s->text, '\n');
	return ++s->count != s->stop_after;
}

static struct seen begin(void)
{
	struct seen s = { 0 };

	s.reader.message = see;
	return s;
}

static void finish(struct seen *s)
{
	sse_reader_finish(&s->reader);
	buf_finish(&s->text);
}

static bool read_in(struct seen *s, const char *stream, size_t len, size_t size)
{
	bool more = true;

	s->reader.context = s;
	sse_reader_begin(&s->reader);
	for (size_t at = 0; at < len && more; at += size)
		more = sse_reader_take(
		    &s->reader, (struct slice){ stream + at, len - at < size ? len - at : size });
	return more;
}

static const struct {
	const char *stream, *seen;
} cases[] = {
	{ "", "" },
	{ "data: a\n\n", "|a|\n" },
	{ "data:a\n\ndata:  b\n\n", "|a|\n| b|\n" },
	{ "data: a\r\n\r\ndata: b\r\rdata: c\n\n", "|a|\n|b|\n|c|\n" },
	{ "data: a\ndata: b\ndata\n\n", "|a\nb\n|\n" },
	{ "data\n\n", "||\n" },
	{ "event: heartbeat\ndata: {}\n\ndata: x\n\n", "heartbeat|{}|\n|x|\n" },
	{ "id: e.1\n\nid: e.2\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", "|a|e.2\n|b|e.2\n|c|\n" },
	{ "data: a\nid: e.3\n\n", "|a|e.3\n" },
	{ ": comment\n:\n\ndata: a\n: comment\n\n", "|a|\n" },
	{ "event: gone\n\ndata: a\n\n", "|a|\n" },
	{ "\xef\xbb\xbf"
	  "data: a\n\n",
	  "|a|\n" },
	{ "data: cut off\n", "" },
	{ "other: a\ndatum: b\n data: c\n\n", "" },
};

static void messages_do_not_depend_on_the_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t size = 1; size < 8; size++) {
			struct seen s = begin();
			read_in(&s, cases[i].stream, strlen(cases[i].stream), size);
			assert_string_equal(buf_string(&s.text), cases[i].seen);
			finish(&s);
		}
}

static void retry_is_a_number(void **state)
{
	static const struct {
		const char *stream;
		int64_t retry_ms;
	} retries[] = { { "data: a\n\n", 0 },          { "retry: 2871\n\n", 2871 },
		        { "retry: 1\nretry: 2\n", 2 }, { "retry: 1x\n", 0 },
		        { "retry: -1\n", 0 },          { "retry:\n", 0 },
		        { "retry: 99999999999\n", 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(retries); i++) {
		struct seen s = begin();
		read_in(&s, retries[i].stream, strlen(retries[i].stream), 3);
		assert_int_equal(s.reader.retry_ms, retries[i].retry_ms);
		finish(&s);
	}
}

static void an_id_with_a_nul_is_ignored(void **state)
{
	static const char stream[] = "id: a\0b\ndata: x\n\n";
	struct seen s = begin();

	(void)state;
	read_in(&s, stream, sizeof(stream) - 1, 4);
	assert_string_equal(buf_string(&s.text), "|x|\n");
	finish(&s);
}

static void a_message_may_have_any_size(void **state)
{
	size_t len = 10 << 20;
	char *stream = malloc(len);
	struct seen s = begin();

	(void)state;
	memset(stream, 'x', len);
	memcpy(stream, "data: ", 6);
	memcpy(stream + len - 2, "\n\n", 2);
	read_in(&s, stream, len, 16384);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.text.len, len - 8 + 3);
	finish(&s);
	free(stream);
}

static void it_stops_when_it_is_told_to_and_begins_anew(void **state)
{
	static const char stream[] = "id: e.1\ndata: a\n\ndata: b\n\n";
	struct seen s = begin();

	(void)state;
	s.stop_after = 1;
	assert_false(read_in(&s, stream, sizeof(stream) - 1, 100));
	assert_string_equal(buf_string(&s.text), "|a|e.1\n");
	s.text.len = s.count = s.stop_after = 0;
	assert_true(read_in(&s, "data: c\n\n", 9, 100));
	assert_string_equal(buf_string(&s.text), "|c|\n");
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_do_not_depend_on_the_pieces),
		TEST(retry_is_a_number),
		TEST(an_id_with_a_nul_is_ignored),
		TEST(a_message_may_have_any_size),
		TEST(it_stops_when_it_is_told_to_and_begins_anew),
	};

	return RUN("sse_reader", tests);
}
