#include "kit.h"

#include "joblight/core/cursor.h"

static void cursor_is(const char *text, const char *epoch, uint64_t seq)
{
	struct position p = position_parse(slice_of(text));

	assert_int_equal(p.kind, POSITION_CURSOR);
	assert_string_equal(p.epoch, epoch);
	assert_true(p.seq == seq);
}

static void a_cursor_is_read_as_it_was_written(void **state)
{
	static const uint64_t seqs[] = { 0, 1, 9, 10, 42, 1000000, UINT64_C(9223372036854775807) };

	(void)state;
	for (size_t i = 0; i < COUNT(seqs); i++) {
		struct buf text = { 0 };
		cursor_add(&text, "k3f9xyz012", seqs[i]);
		assert_in_range(text.len, 1, CURSOR_MAX);
		cursor_is(buf_string(&text), "k3f9xyz012", seqs[i]);
		buf_finish(&text);
	}
	cursor_is("a.0", "a", 0);
	cursor_is("0.9999999999999999999", "0", UINT64_C(9999999999999999999));
}

static void nothing_is_a_position_too(void **state)
{
	(void)state;
	assert_int_equal(position_parse((struct slice){ 0 }).kind, POSITION_NONE);
	assert_int_equal(position_parse(SLICE("")).kind, POSITION_NONE);
	assert_int_equal(position_parse_time(SLICE("")).kind, POSITION_NONE);
}

static void what_is_no_cursor_is_invalid(void **state)
{
	static const char *const bad[] = {
		"abc",
		"-1",
		"42",
		".",
		"a.",
		".1",
		"a.b",
		"a.-1",
		"a.+1",
		"a.01",
		"a.1 ",
		" a.1",
		"a.1.",
		"a.1.2",
		"A.1",
		"a_b.1",
		"a/b.1",
		"k3f9xyz0123.1",
		"a.18446744073709551616",
		"a.10000000000000000000",
		"a.1x",
		"\xc3\xa9.1",
		"a.1\n",
		"../x.1",
		"null",
		"k3f9xyz012.1e3",
		"k3f9xyz012,1",
	};
	char *huge = malloc(10240);

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (position_parse(slice_of(bad[i])).kind != POSITION_INVALID)
			fail_msg("taken: %s", bad[i]);
	}
	memset(huge, 'a', 10240);
	assert_int_equal(position_parse((struct slice){ huge, 10240 }).kind, POSITION_INVALID);
	huge[5] = '.';
	assert_int_equal(position_parse((struct slice){ huge, 10240 }).kind, POSITION_INVALID);
	free(huge);
	assert_int_equal(position_parse(SLICE("a\0.1")).kind, POSITION_INVALID);
}

static void times_are_positions_where_they_are_asked_for(void **state)
{
	struct position p = position_parse_time(SLICE("2026-02-05T19:00:00.000Z"));

	(void)state;
	assert_int_equal(p.kind, POSITION_TIME);
	assert_int_equal(p.time, INT64_C(1770318000000));
	p = position_parse_time(SLICE("1770318000000"));
	assert_int_equal(p.kind, POSITION_TIME);
	assert_int_equal(p.time, INT64_C(1770318000000));
	assert_int_equal(position_parse_time(SLICE("k3f9.7")).kind, POSITION_CURSOR);
	assert_int_equal(position_parse_time(SLICE("yesterday")).kind, POSITION_INVALID);
	assert_int_equal(position_parse(SLICE("2026-02-05T19:00:00.000Z")).kind, POSITION_INVALID);
	assert_int_equal(position_parse(SLICE("1770318000000")).kind, POSITION_INVALID);
}

struct case_of {
	const char *position;
	uint64_t first, head;
	enum resume resume;
	enum reset_reason reason;
};

/* The log holds first..head of epoch "e". */
static const struct case_of cases[] = {
	{ "", 1, 10, RESUME_FRESH, RESET_NONE },
	{ "", 1, 0, RESUME_FRESH, RESET_NONE },
	{ "e.0", 1, 10, RESUME_EXACT, RESET_NONE },
	{ "e.5", 1, 10, RESUME_EXACT, RESET_NONE },
	{ "e.10", 1, 10, RESUME_EXACT, RESET_NONE },
	{ "e.11", 1, 10, RESUME_RESET, RESET_FUTURE },
	{ "e.9999999999999999999", 1, 10, RESUME_RESET, RESET_FUTURE },
	{ "e.4", 5, 10, RESUME_EXACT, RESET_NONE },
	{ "e.3", 5, 10, RESUME_RESET, RESET_PRUNED },
	{ "e.0", 5, 10, RESUME_RESET, RESET_PRUNED },
	{ "e.0", 2, 10, RESUME_RESET, RESET_PRUNED },
	{ "e.9", 10, 10, RESUME_EXACT, RESET_NONE },
	{ "f.5", 1, 10, RESUME_RESET, RESET_EPOCH },
	{ "f.11", 1, 10, RESUME_RESET, RESET_EPOCH },
	{ "f.0", 5, 10, RESUME_RESET, RESET_EPOCH },
	{ "ee.5", 1, 10, RESUME_RESET, RESET_EPOCH },
	{ "abc", 1, 10, RESUME_RESET, RESET_INVALID },
};

static void every_position_goes_on_or_says_why_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct position p = position_parse(slice_of(cases[i].position));
		enum reset_reason reason;
		enum resume resume = position_resume(&p, "e", cases[i].first, cases[i].head,
		                                     &reason);
		if (resume != cases[i].resume || reason != cases[i].reason)
			fail_msg("%s in %d..%d: %s %d", cases[i].position, (int)cases[i].first,
			         (int)cases[i].head, resume_text(resume), (int)reason);
	}
}

static void words_are_the_contracts(void **state)
{
	(void)state;
	assert_string_equal(resume_text(RESUME_FRESH), "fresh");
	assert_string_equal(resume_text(RESUME_EXACT), "exact");
	assert_string_equal(resume_text(RESUME_RESET), "reset");
	assert_null(reset_reason_text(RESET_NONE));
	assert_string_equal(reset_reason_text(RESET_PRUNED), "pruned");
	assert_string_equal(reset_reason_text(RESET_EPOCH), "epoch");
	assert_string_equal(reset_reason_text(RESET_FUTURE), "future");
	assert_string_equal(reset_reason_text(RESET_INVALID), "invalid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_cursor_is_read_as_it_was_written),
		TEST(nothing_is_a_position_too),
		TEST(what_is_no_cursor_is_invalid),
		TEST(times_are_positions_where_they_are_asked_for),
		TEST(every_position_goes_on_or_says_why_not),
		TEST(words_are_the_contracts),
	};

	return RUN("cursor", tests);
}
