/* The last lines of a program's output. */
#include "kit.h"

#include "cli/tail.h"

static char *last(const char *output, size_t len, unsigned lines, size_t bytes)
{
	struct tail *t = calloc(1, sizeof(*t));
	struct buf out = { 0 };

	for (size_t at = 0; at < len; at += 7)
		tail_add(t, (struct slice){ output + at, len - at < 7 ? len - at : 7 });
	tail_text(t, &out, lines, bytes);
	char *text = strdup(buf_string(&out));
	buf_finish(&out);
	free(t);
	return text;
}

static void check(const char *output, unsigned lines, size_t bytes, const char *expected)
{
	char *text = last(output, strlen(output), lines, bytes);

	assert_string_equal(text, expected);
	free(text);
}

static void it_has_the_last_lines(void **state)
{
	(void)state;
	check("", 3, 100, "");
	check("one\n", 3, 100, "one");
	check("one\ntwo\nthree\nfour\n", 2, 100, "three\nfour");
	check("one\ntwo", 2, 100, "one\ntwo");
	check("one\ntwo\n\n\n", 1, 100, "two");
	check("0123456789", 1, 4, "6789");
}

static void what_only_a_terminal_needs_is_left_out(void **state)
{
	(void)state;
	check("\033[31merror:\033[0m no\a\b such\tfile\n", 3, 100, "error: no such\tfile");
	check("10%\r20%\r30%\r\nend\r\n", 3, 100, "30%\nend");
	check("half \xc3", 3, 100, "half ?");
	check("\xff\xfe ok", 3, 100, "?? ok");
}

static void a_long_output_is_kept_to_its_end(void **state)
{
	size_t len = 3 * TAIL_KEPT + 11;
	char *output = malloc(len);

	(void)state;
	memset(output, 'x', len);
	memcpy(output + len - 6, "\nlast\n", 6);
	char *text = last(output, len, 1, 100);
	assert_string_equal(text, "last");
	free(text);
	struct tail *t = calloc(1, sizeof(*t));
	tail_add(t, (struct slice){ output, len });
	struct buf out = { 0 };
	tail_text(t, &out, 5, 2 * TAIL_KEPT);
	assert_int_equal(out.len, TAIL_KEPT - 1);
	buf_finish(&out);
	free(t);
	free(output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_has_the_last_lines),
		TEST(what_only_a_terminal_needs_is_left_out),
		TEST(a_long_output_is_kept_to_its_end),
	};

	return RUN("tail", tests);
}
