/* Arguments of the command line, as the row of a verb allows them. */
#include "kit.h"

#include "cli/arguments.h"

static const struct flag flags[] = {
	{ "title", "TEXT", "", NULL },
	{ "status", "STATUS", "", "pending completed" },
	{ "force", NULL, "", NULL },
	{ 0 },
};

static const struct verb plain = {
	.name = "plain", .operands = "A [B]", .flags = flags, .min_operands = 1, .max_operands = 2
};
static const struct verb command = { .name = "command",
	                             .operands = "COMMAND",
	                             .flags = flags,
	                             .min_operands = 1,
	                             .max_operands = NO_LIMIT,
	                             .runs_command = true };

static bool read_words(struct arguments *a, const struct verb *v, int count, const char **words)
{
	static char *argv[16];

	argv[0] = (char *)(uintptr_t)v->name;
	for (int i = 0; i < count; i++)
		argv[i + 1] = (char *)(uintptr_t)words[i];
	argv[count + 1] = NULL;
	return arguments_read(a, v, v->name, count + 1, argv);
}

#define READ(a, v, ...)                                                                            \
	read_words(a, v, (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)),          \
	           (const char *[]){ __VA_ARGS__ })

static void flags_and_operands_may_be_mixed(void **state)
{
	struct arguments a;

	(void)state;
	assert_true(READ(&a, &plain, "one", "--title", "T", "two", "--force"));
	assert_int_equal(a.operand_count, 2);
	assert_string_equal(a.operands[0], "one");
	assert_string_equal(a.operands[1], "two");
	assert_null(a.operands[2]);
	assert_string_equal(arguments_value(&a, "title"), "T");
	assert_true(arguments_has(&a, "force"));
	assert_false(arguments_has(&a, "status"));
	assert_false(arguments_has(&a, "url"));
	assert_true(READ(&a, &plain, "--title=", "--", "--force"));
	assert_string_equal(arguments_value(&a, "title"), "");
	assert_string_equal(a.operands[0], "--force");
	assert_true(READ(&a, &plain, "x", "--title", "1", "--title", "2"));
	assert_string_equal(arguments_value(&a, "title"), "2");
}

static void what_follows_a_command_belongs_to_it(void **state)
{
	struct arguments a;

	(void)state;
	assert_true(READ(&a, &command, "--title", "T", "make", "--force", "-j8", "--", "--title"));
	assert_int_equal(a.operand_count, 5);
	assert_string_equal(a.operands[1], "--force");
	assert_false(arguments_has(&a, "force"));
	assert_true(READ(&a, &command, "--", "--make", "--help"));
	assert_string_equal(a.operands[0], "--make");
	assert_false(a.help);
}

static void numbers_are_in_range(void **state)
{
	static const char *const wrong[] = { "", "1", "101", "-2", "2x", "1e1", "99999999999" };
	struct arguments a;
	unsigned number = 7;

	(void)state;
	assert_true(READ(&a, &plain, "x"));
	assert_int_equal(arguments_number(&a, "title", 2, 100, &number), EXIT_OK);
	assert_int_equal(number, 7);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_true(READ(&a, &plain, "x", "--title", wrong[i]));
		assert_int_equal(arguments_number(&a, "title", 2, 100, &number), EXIT_USAGE);
	}
	assert_int_equal(number, 7);
	assert_true(READ(&a, &plain, "x", "--title", "2"));
	assert_int_equal(arguments_number(&a, "title", 2, 100, &number), EXIT_OK);
	assert_int_equal(number, 2);
	assert_true(READ(&a, &plain, "x", "--title", "100"));
	assert_int_equal(arguments_number(&a, "title", 2, 100, &number), EXIT_OK);
	assert_int_equal(number, 100);
}

static void mistakes_are_refused(void **state)
{
	struct arguments a;

	(void)state;
	assert_false(READ(&a, &plain, "--force"));
	assert_false(READ(&a, &plain, "1", "2", "3"));
	assert_false(READ(&a, &plain, "1", "--titel", "T"));
	assert_false(READ(&a, &plain, "1", "--title"));
	assert_false(READ(&a, &plain, "1", "--force=yes"));
	assert_false(READ(&a, &plain, "1", "-f"));
	assert_false(READ(&a, &plain, "1", "--status", "pend"));
	assert_false(READ(&a, &plain, "1", "--status", ""));
	assert_false(READ(&a, &command, "--"));
	assert_true(READ(&a, &plain, "1", "--status", "pending"));
}

static void help_is_asked_for_without_operands(void **state)
{
	struct arguments a;

	(void)state;
	assert_true(READ(&a, &plain, "--help"));
	assert_true(a.help);
	assert_true(READ(&a, &command, "-h"));
	assert_true(a.help);
	assert_true(READ(&a, &command, "make", "-h"));
	assert_false(a.help);
}

static void a_time_has_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: it is none */
	} times[] = {
		{ "500ms", 500 },  { "30s", 30000 },      { "5min", 300000 },
		{ "2h", 7200000 }, { "90d", 7776000000 }, { "1.5s", -1 },
		{ "0", 0 },        { "0s", 0 },           { "3660d", INT64_C(316224000000) },
		{ "3661d", -1 },   { "30", -1 },          { "", -1 },
		{ "s", -1 },       { "-1s", -1 },         { "1.2.3s", -1 },
		{ "0x10s", -1 },   { "1e3s", -1 },        { "infs", -1 },
		{ " 1s", -1 },     { "1s ", -1 },         { "5m", -1 },
		{ "1y", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		int64_t ms;
		bool ok = arguments_time(times[i].text, &ms);
		if (ok != (times[i].ms >= 0) || (ok && ms != times[i].ms))
			fail_msg("\"%s\" is %d, %lld ms", times[i].text, ok, (long long)ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flags_and_operands_may_be_mixed),
		TEST(what_follows_a_command_belongs_to_it),
		TEST(numbers_are_in_range),
		TEST(mistakes_are_refused),
		TEST(help_is_asked_for_without_operands),
		TEST(a_time_has_a_unit),
	};

	return RUN("arguments", tests);
}
