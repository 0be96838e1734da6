#include "kit.h"

#include "joblight/base/clock.h"

static void format_is(int64_t wall_ms, const char *text)
{
	char out[CLOCK_TEXT_LEN + 1];

	clock_format(wall_ms, out);
	assert_string_equal(out, text);
}

static void times_are_written_in_utc_with_milliseconds(void **state)
{
	(void)state;
	format_is(0, "1970-01-01T00:00:00.000Z");
	format_is(INT64_C(1770318000000), "2026-02-05T19:00:00.000Z");
	format_is(INT64_C(1770318000007), "2026-02-05T19:00:00.007Z");
	format_is(INT64_C(951782399999), "2000-02-28T23:59:59.999Z");
	format_is(INT64_C(951782400000), "2000-02-29T00:00:00.000Z");
	format_is(INT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
}

static void time_is(const char *text, int64_t wall_ms)
{
	int64_t out = -1;

	if (!clock_parse(slice_of(text), &out))
		fail_msg("refused: %s", text);
	assert_int_equal(out, wall_ms);
}

static void what_is_written_can_be_read(void **state)
{
	static const int64_t times[] = {
		0, 1, 951782400000, 1709164800000, 1770318000123, 4102444800000, 253402300799999
	};
	char text[CLOCK_TEXT_LEN + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		clock_format(times[i], text);
		time_is(text, times[i]);
	}
}

static void rfc_3339_is_read_in_all_its_forms(void **state)
{
	const int64_t t = INT64_C(1770318000000);

	(void)state;
	time_is("2026-02-05T19:00:00Z", t);
	time_is("2026-02-05t19:00:00z", t);
	time_is("2026-02-05 19:00:00Z", t);
	time_is("2026-02-05T20:30:00+01:30", t);
	time_is("2026-02-05T20:30:00 01:30", t); /* a query decoder turned the plus into a space */
	time_is("2026-02-05T11:00:00-08:00", t);
	time_is("2026-02-06T18:59:00+23:59", t);
	time_is("2026-02-05T19:00:00-00:00", t);
	time_is("2026-02-05T19:00:00.5Z", t + 500);
	time_is("2026-02-05T19:00:00.1239999Z", t + 123);
	time_is("2026-02-05T18:59:60Z", t); /* a leap second */
	time_is("2024-02-29T00:00:00Z", INT64_C(1709164800000));
}

static void unix_milliseconds_are_read(void **state)
{
	(void)state;
	time_is("0", 0);
	time_is("1770318000123", INT64_C(1770318000123));
	time_is("999999999999999", INT64_C(999999999999999));
}

static void anything_else_is_no_time(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"abc",
		"-1",
		"+1",
		"1.5",
		"1e9",
		"0x10",
		"9999999999999999",
		"2026-02-05",
		"2026-02-05T19:00:00",
		"2026-02-05T19:00Z",
		"2026-2-5T19:00:00Z",
		"26-02-05T19:00:00Z",
		"2026-02-05T19:00:00.Z",
		"2026-02-05T19:00:00Zx",
		" 2026-02-05T19:00:00Z",
		"2026-02-05T19:00:00Z ",
		"2026-13-05T19:00:00Z",
		"2026-00-05T19:00:00Z",
		"2026-02-00T19:00:00Z",
		"2026-02-29T19:00:00Z",
		"2026-04-31T19:00:00Z",
		"2026-01-32T19:00:00Z",
		"2100-02-29T00:00:00Z",
		"2026-02-05T24:00:00Z",
		"2026-02-05T19:60:00Z",
		"2026-02-05T19:00:61Z",
		"2026-02-05T19:00:00+0100",
		"2026-02-05T19:00:00+01",
		"2026-02-05T19:00:00+24:00",
		"2026-02-05T19:00:00+01:60",
		"2026-02-05T19:00:00*01:00",
		"1969-12-31T23:59:59Z",
		"2026-02-05T19:00:0xZ",
	};
	int64_t out;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (clock_parse(slice_of(bad[i]), &out))
			fail_msg("taken: %s", bad[i]);
	assert_false(clock_parse((struct slice){ 0 }, &out));
	assert_false(clock_parse(SLICE("2026-02-05T19:00:00\0"), &out));
}

static void the_monotonic_clock_does_not_go_back(void **state)
{
	uint64_t last = clock_monotonic_ms();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_monotonic_ms();
		assert_true(now >= last);
		last = now;
	}
	assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(times_are_written_in_utc_with_milliseconds),
		TEST(what_is_written_can_be_read),
		TEST(rfc_3339_is_read_in_all_its_forms),
		TEST(unix_milliseconds_are_read),
		TEST(anything_else_is_no_time),
		TEST(the_monotonic_clock_does_not_go_back),
	};

	return RUN("clock", tests);
}
