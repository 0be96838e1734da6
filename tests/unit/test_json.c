#include "kit.h"

#include "joblight/core/json.h"

struct text {
	const char *bytes;
	size_t len;
};

#define T(literal)                                                                                 \
	{                                                                                          \
		"" literal, sizeof(literal) - 1                                                    \
	}

static const char *check(struct slice text, unsigned depth)
{
	size_t at = 0;
	const char *fault = json_check(text, depth, &at);

	assert_true(at <= text.len);
	return fault;
}

/* Every text stands at the end of its own memory, so that a byte read too far is noticed by a
 * sanitizer. */
static const char *check_exactly(const struct text *t)
{
	char *copy = malloc(t->len ? t->len : 1);

	memcpy(copy, t->bytes, t->len);
	const char *fault = check((struct slice){ copy, t->len }, 32);
	free(copy);
	return fault;
}

static void json_is_what_rfc_8259_says(void **state)
{
	static const struct text good[] = {
		T("null"),
		T("true"),
		T("false"),
		T("0"),
		T("-0"),
		T("42"),
		T("-1.5"),
		T("0.0"),
		T("1e5"),
		T("1E+5"),
		T("1.25e-10"),
		T("1e999"),
		T("123456789012345678901234567890"),
		T("\"\""),
		T("\"a\""),
		T("[]"),
		T("{}"),
		T("[1]"),
		T("[1,2]"),
		T(" \t\r\n[ 1 , 2 ] \t\r\n"),
		T("{\"a\":1}"),
		T("{ \"a\" : 1 , \"b\" : [ ] }"),
		T("{\"a\":{\"b\":[{}]}}"),
		T("{\"\":0}"),
		T("{\"a\":1,\"a\":2}"),
		T("[[],[[]],{}]"),
		T("\"\x7f\""),
		T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
		T("\"\\u00e9\\uD83D\\uDca1\""),
		T("\"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x92\xa1\""),
		T("[null,true,false,0,\"\"]"),
		T("\"\\uFFFF\""),
		T("\"\xef\xbb\xbf\""),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const char *fault = check_exactly(&good[i]);
		if (fault)
			fail_msg("%s: %s", good[i].bytes, fault);
	}
}

/* Each of these is no JSON text (RFC 8259), or not one alone. */
static const struct text not_json[] = {
	T(""),
	T(" "),
	T("nul"),
	T("nulll"),
	T("True"),
	T("NaN"),
	T("Infinity"),
	T("-Infinity"),
	T("undefined"),
	T("+1"),
	T("01"),
	T("-01"),
	T("-"),
	T("1."),
	T(".5"),
	T("1.e5"),
	T("1e"),
	T("1e+"),
	T("0x10"),
	T("1_000"),
	T("1 2"),
	T("{} {}"),
	T("[]]"),
	T("[]x"),
	T("null,"),
	T("{}\0"),
	T("["),
	T("{"),
	T("[1"),
	T("[1,"),
	T("[1,]"),
	T("[,1]"),
	T("[,]"),
	T("[1 2]"),
	T("[1}"),
	T("{1}"),
	T("{]"),
	T("{\"a\"}"),
	T("{\"a\":}"),
	T("{\"a\":1"),
	T("{\"a\":1,}"),
	T("{,}"),
	T("{\"a\" 1}"),
	T("{\"a\":1 \"b\":2}"),
	T("{a:1}"),
	T("{'a':1}"),
	T("{1:1}"),
	T("{\"a\":1]"),
	T("[{]}"),
	T("'a'"),
	T("\""),
	T("\"a"),
	T("\"\\"),
	T("\"\\\""),
	T("\"\\x41\""),
	T("\"\\a\""),
	T("\"\n\""),
	T("\"\t\""),
	T("\"\x1f\""),
	T("\"a\0b\""),
	T("[1]//"),
	T("/**/1"),
	T("\xef\xbb\xbf{}"),
	T("\v1"),
	T("\xc2\xa0"
	  "1"),
	T("--1"),
	T("1-"),
	T("]"),
	T("}"),
	T(":"),
	T(","),
};

static void anything_else_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(not_json); i++)
		if (!check_exactly(&not_json[i]))
			fail_msg("taken: %s", not_json[i].bytes);
}

static void strings_hold_no_nul_and_no_half_of_a_pair(void **state)
{
	static const struct text bad[] = {
		T("\"\\u0000\""),        T("\"a\\u0000b\""),  T("\"\\ud83d\""),
		T("\"\\ud83dx\""),       T("\"\\ud83d\\n\""), T("\"\\ud83d\\u0041\""),
		T("\"\\ud83d\\ud83d\""), T("\"\\udca1\""),    T("\"\\udca1\\ud83d\""),
		T("\"\\ud83d\\u"),       T("\"\\u\""),        T("\"\\u1\""),
		T("\"\\u12g4\""),        T("\"\\u 123\""),    T("\"\\u123"),
		T("{\"\\u0000\":1}"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!check_exactly(&bad[i]))
			fail_msg("taken: %s", bad[i].bytes);
}

/* One line per row of RFC 3629's table, on both of its sides. */
static const struct text utf8_good[] = {
	T(""),
	T("a"),
	T("\x7f"),
	T("\xc2\x80"),
	T("\xdf\xbf"),
	T("\xe0\xa0\x80"),
	T("\xe1\x80\x80"),
	T("\xec\xbf\xbf"),
	T("\xed\x80\x80"),
	T("\xed\x9f\xbf"),
	T("\xee\x80\x80"),
	T("\xef\xbf\xbf"),
	T("\xf0\x90\x80\x80"),
	T("\xf1\x80\x80\x80"),
	T("\xf3\xbf\xbf\xbf"),
	T("\xf4\x8f\xbf\xbf"),
	T("a\xc3\xa9z"),
};
static const struct text utf8_bad[] = {
	T("\x80"),
	T("\xbf"),
	T("\xc0\x80"),
	T("\xc1\xbf"),
	T("\xc2"),
	T("\xc2\x7f"),
	T("\xc2\xc0"),
	T("\xe0\x9f\xbf"),
	T("\xe0\xa0"),
	T("\xe1\x80"),
	T("\xe1\x80\x7f"),
	T("\xed\xa0\x80"),
	T("\xed\xbf\xbf"),
	T("\xef\xbf"),
	T("\xf0\x8f\xbf\xbf"),
	T("\xf0\x90\x80"),
	T("\xf1\x80\x80\xc0"),
	T("\xf4\x90\x80\x80"),
	T("\xf5\x80\x80\x80"),
	T("\xfe"),
	T("\xff"),
	T("a\xc3"),
	T("\xc3\x28"),
	T("\xf8\x88\x80\x80\x80"),
};

static void utf8_is_what_rfc_3629_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(utf8_good); i++)
		assert_true(utf8_valid((struct slice){ utf8_good[i].bytes, utf8_good[i].len }));
	assert_true(utf8_valid((struct slice){ NULL, 0 }));
	assert_true(utf8_blank((struct slice){ NULL, 0 }));
	for (size_t i = 0; i < COUNT(utf8_bad); i++)
		assert_false(utf8_valid((struct slice){ utf8_bad[i].bytes, utf8_bad[i].len }));
}

static void bad_utf8_is_no_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(utf8_bad); i++) {
		struct buf quoted = { 0 };
		buf_char(&quoted, '"');
		buf_add(&quoted, utf8_bad[i].bytes, utf8_bad[i].len);
		buf_char(&quoted, '"');
		assert_non_null(check(buf_as_slice(&quoted), 32));
		buf_finish(&quoted);
	}
}

static void a_cut_character_is_mended(void **state)
{
	char cut[] = "caf\xc3\xa9 caf\xc3", all[] = "\xff\x80\xe2\x80";

	(void)state;
	utf8_mend(cut, strlen(cut));
	assert_string_equal(cut, "caf\xc3\xa9 caf?");
	utf8_mend(all, strlen(all));
	assert_string_equal(all, "????");
}

static void add_times(struct buf *b, const char *text, size_t times)
{
	while (times--)
		buf_text(b, text);
}

static const char *check_nested(const char *open, const char *inside, const char *close,
                                size_t levels, unsigned depth)
{
	struct buf b = { 0 };

	add_times(&b, open, levels);
	buf_text(&b, inside);
	add_times(&b, close, levels);
	const char *fault = check(buf_as_slice(&b), depth);
	buf_finish(&b);
	return fault;
}

static void depth_is_limited_on_the_level(void **state)
{
	(void)state;
	assert_null(check_nested("[", "1", "]", 32, 32));
	assert_non_null(check_nested("[", "1", "]", 33, 32));
	assert_null(check_nested("[", "", "]", 32, 32));
	assert_non_null(check_nested("[", "", "]", 33, 32));
	assert_null(check_nested("{\"a\":", "1", "}", 32, 32));
	assert_non_null(check_nested("{\"a\":", "1", "}", 33, 32));
	assert_null(check_nested("[{\"a\":", "[]", "}]", 15, 32));
	assert_null(check_nested("[", "1", "]", JSON_DEPTH_MAX, 1000));
	assert_non_null(check_nested("[", "1", "]", JSON_DEPTH_MAX + 1, 1000));
	assert_non_null(check_nested("[{\"a\":", "1", "]}", 2, 32));
}

static void two_million_brackets_need_no_stack(void **state)
{
	(void)state;
	assert_string_equal(check_nested("[", "", "", 2000000, 32), "nested too deeply");
	assert_string_equal(check_nested("{\"a\":", "", "", 2000000, 64), "nested too deeply");
	assert_string_equal(check_nested("[", "", "", 32, 32), "a value is expected");
}

static void the_fault_is_pointed_at(void **state)
{
	size_t at;

	(void)state;
	assert_string_equal(json_check(SLICE("{\"a\":1}x"), 32, &at),
	                    "there is more after the value");
	assert_int_equal(at, 7);
	assert_string_equal(json_check(SLICE("[1,,2]"), 32, &at), "a value is expected");
	assert_int_equal(at, 3);
	assert_string_equal(json_check(SLICE("  "), 32, &at), "the body is empty");
	assert_string_equal(json_check(SLICE("{\"a\":\"x"), 32, &at), "the string does not end");
	assert_int_equal(at, 7);
}

/* Members. */

static void is_member(const char *object, const char *name, const char *raw)
{
	struct slice value = { 0 };

	assert_int_equal(json_member(slice_of(object), name, &value), raw != NULL);
	if (raw && !slice_is(value, raw))
		fail_msg("%s of %s: %.*s", name, object, (int)value.len, value.ptr);
}

static void a_member_is_found_as_it_was_written(void **state)
{
	(void)state;
	is_member("{\"a\":1.50}", "a", "1.50");
	is_member(" { \"x\" : \"}\" , \"a\" : { \"b\" : [ 1 , 2 ] } } ", "a",
	          "{ \"b\" : [ 1 , 2 ] }");
	is_member("{\"x\":{\"a\":1},\"a\":2}", "a", "2");
	is_member("{\"x\":[{\"a\":1}]}", "a", NULL);
	is_member("{\"aa\":1,\"ba\":2}", "a", NULL);
	is_member("{\"a\":1,\"a\":2}", "a", "2");
	is_member("{\"a\":\"\\\"a\\\":3\"}", "a", "\"\\\"a\\\":3\"");
	is_member("{\"\":1}", "", "1");
	is_member("{\"\\u0061\":1}", "a", NULL);
	is_member("{\"A\":1}", "a", NULL);
	is_member("{}", "a", NULL);
	is_member(" [1] ", "a", NULL);
	is_member("1", "a", NULL);
	is_member("{\"metadata\":null,\"b\":true}", "metadata", "null");
}

static void minified_loses_white_space_and_nothing_else(void **state)
{
	struct buf out = { 0 };

	(void)state;
	json_minify(&out,
	            SLICE(" { \"a b\\\" \\\\\" :\t[ 1.50 , \"x \\\\\" ,\r\n \" \\\" \" ] } "));
	assert_string_equal(buf_string(&out), "{\"a b\\\" \\\\\":[1.50,\"x \\\\\",\" \\\" \"]}");
	buf_finish(&out);
}

/* Writing. */

static void is_written(struct slice text, const char *json)
{
	struct buf out = { 0 };

	json_string(&out, text);
	assert_string_equal(buf_string(&out), json);
	assert_null(check(buf_as_slice(&out), 1));
	buf_finish(&out);
}

static void strings_are_escaped_where_they_must_be(void **state)
{
	(void)state;
	is_written(SLICE(""), "\"\"");
	is_written(SLICE("plain"), "\"plain\"");
	is_written(SLICE("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	is_written(SLICE("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"");
	is_written(SLICE("\x01\x1f\x7f"), "\"\\u0001\\u001f\x7f\"");
	is_written(SLICE("\xc3\xa9\xe2\x80\xa8\xf0\x9f\x92\xa1</script>%s"),
	           "\"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x92\xa1</script>%s\"");
}

static void number_is(double value, const char *json)
{
	struct buf out = { 0 };

	json_number(&out, value);
	assert_string_equal(buf_string(&out), json);
	assert_null(check(buf_as_slice(&out), 1));
	buf_finish(&out);
}

static void numbers_are_short(void **state)
{
	(void)state;
	number_is(0, "0");
	number_is(42, "42");
	number_is(100, "100");
	number_is(42.5, "42.5");
	number_is(0.1, "0.1");
	number_is(33.3333, "33.3333");
	number_is(-1, "-1");
	number_is(9007199254740991.0, "9007199254740991");
	number_is(1e-7, "1e-07");
	number_is(1e300, "1e+300");
}

static void times_are_rfc_3339(void **state)
{
	struct buf out = { 0 };

	(void)state;
	json_time(&out, INT64_C(1770318000123));
	assert_string_equal(buf_string(&out), "\"2026-02-05T19:00:00.123Z\"");
	buf_finish(&out);
}

static void names_bring_their_comma(void **state)
{
	struct buf out = { 0 };

	(void)state;
	buf_char(&out, '{');
	json_name(&out, "a");
	buf_char(&out, '{');
	json_name(&out, "b");
	buf_text(&out, "1}");
	json_name(&out, "c");
	buf_text(&out, "2");
	json_text(&out, "d", "\n");
	json_text(&out, "e", NULL);
	json_text(&out, "f", "");
	buf_char(&out, '}');
	assert_string_equal(buf_string(&out), "{\"a\":{\"b\":1},\"c\":2,\"d\":\"\\n\",\"f\":\"\"}");
	buf_finish(&out);
}

static void words_become_an_array(void **state)
{
	static const struct {
		const char *words, *json;
	} cases[] = {
		{ "", "[]" },
		{ "comment", "[\"comment\"]" },
		{ "render-* a b", "[\"render-*\",\"a\",\"b\"]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };
		json_words(&out, cases[i].words);
		assert_string_equal(buf_string(&out), cases[i].json);
		buf_finish(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(json_is_what_rfc_8259_says),
		TEST(anything_else_is_refused),
		TEST(strings_hold_no_nul_and_no_half_of_a_pair),
		TEST(utf8_is_what_rfc_3629_says),
		TEST(bad_utf8_is_no_json),
		TEST(a_cut_character_is_mended),
		TEST(depth_is_limited_on_the_level),
		TEST(two_million_brackets_need_no_stack),
		TEST(the_fault_is_pointed_at),
		TEST(a_member_is_found_as_it_was_written),
		TEST(minified_loses_white_space_and_nothing_else),
		TEST(strings_are_escaped_where_they_must_be),
		TEST(numbers_are_short),
		TEST(times_are_rfc_3339),
		TEST(names_bring_their_comma),
		TEST(words_become_an_array),
	};

	return RUN("json", tests);
}
