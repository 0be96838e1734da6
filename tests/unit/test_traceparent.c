/* The header traceparent: what is taken, and what is ignored. */
#include "kit.h"

#include "joblight/base/xalloc.h"
#include "joblight/core/traceparent.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

/* The text ends at the end of its memory, so a sanitizer sees every byte that is read after it. */
static const char *parsed(const char *text, size_t len)
{
	static char out[TRACEPARENT_LEN + 1];
	char *exact = xmalloc(len);

	memcpy(exact, text, len);
	memset(out, 'x', sizeof(out));
	bool ok = traceparent_parse((struct slice){ exact, len }, out);
	assert_int_equal(ok, out[0] != '\0');
	free(exact);
	return ok ? out : NULL;
}

static void a_good_one_is_taken(void **state)
{
	static const struct {
		const char *text, *taken;
	} rows[] = {
		{ "00-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01" },
		{ "00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00" },
		/* other flags are reserved */
		{ "00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-01" },
		{ "00-" TRACE "-" SPAN "-fe", "00-" TRACE "-" SPAN "-00" },
		{ "00-" TRACE "-" SPAN "-0b", "00-" TRACE "-" SPAN "-01" },
		/* later versions */
		{ "01-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01" },
		{ "cc-" TRACE "-" SPAN "-01-what-comes", "00-" TRACE "-" SPAN "-01" },
		{ "fe-" TRACE "-" SPAN "-01-", "00-" TRACE "-" SPAN "-01" },
		{ "00-00000000000000000000000000000001-0000000000000001-01",
		  "00-00000000000000000000000000000001-0000000000000001-01" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *taken = parsed(rows[i].text, strlen(rows[i].text));
		assert_non_null(taken);
		assert_string_equal(taken, rows[i].taken);
	}
}

static void a_bad_one_is_ignored(void **state)
{
	static const char *const rows[] = {
		"",
		"00",
		"00-" TRACE "-" SPAN "-0",
		"00-" TRACE "-" SPAN "-011",
		"00-" TRACE "-" SPAN "-01-",
		"00-" TRACE "-" SPAN "-01-more",
		"01-" TRACE "-" SPAN "-01.more",
		"ff-" TRACE "-" SPAN "-01",
		"ff-" TRACE "-" SPAN "-01-more",
		"0-" TRACE "-" SPAN "-01",
		"000-" TRACE "-" SPAN "-01",
		"0g-" TRACE "-" SPAN "-01",
		"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
		"00-" TRACE "-B7AD6B7169203331-01",
		"00-" TRACE "-" SPAN "-0A",
		"00-00000000000000000000000000000000-" SPAN "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-" TRACE "x" SPAN "-01",
		"00 " TRACE "-" SPAN "-01",
		"00-" TRACE "-" SPAN ".01",
		" 00-" TRACE "-" SPAN "-01",
		"00-" TRACE "-" SPAN "-01 ",
		"00-" TRACE "-" SPAN "-01, 00-" TRACE "-" SPAN "-01",
		"01-" TRACE "-" SPAN "-01, 01-" TRACE "-" SPAN "-01",
		"00-.af7651916cd43dd8448eb211c80319c-" SPAN "-01",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_null(parsed(rows[i], strlen(rows[i])));
}

static void every_byte_matters(void **state)
{
	static const char good[] = "00-" TRACE "-" SPAN "-01";
	static const char bad[] = { 0, 47, 58, 96, 103, 71, 64, 32, 44 };
	char text[TRACEPARENT_LEN];

	(void)state;
	for (size_t len = 0; len < TRACEPARENT_LEN; len++)
		assert_null(parsed(good, len));
	for (size_t i = 0; i < TRACEPARENT_LEN; i++) {
		for (size_t b = 0; b < sizeof(bad); b++) {
			memcpy(text, good, sizeof(text));
			text[i] = bad[b];
			assert_null(parsed(text, sizeof(text)));
		}
	}
}

static void its_parts_are_found(void **state)
{
	char text[TRACEPARENT_LEN + 1];

	(void)state;
	assert_true(traceparent_parse(SLICE("00-" TRACE "-" SPAN "-01"), text));
	assert_true(slice_is(traceparent_trace_id(text), TRACE));
	assert_true(slice_is(traceparent_span_id(text), SPAN));
	assert_true(traceparent_is_sampled(text));
	assert_true(traceparent_parse(SLICE("00-" TRACE "-" SPAN "-02"), text));
	assert_false(traceparent_is_sampled(text));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_good_one_is_taken),
		TEST(a_bad_one_is_ignored),
		TEST(every_byte_matters),
		TEST(its_parts_are_found),
	};

	return RUN("traceparent", tests);
}
