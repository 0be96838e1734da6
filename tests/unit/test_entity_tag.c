/* Entity tags in lists. */
#include "kit.h"

#include "joblight/core/entity_tag.h"

static bool matches(const char *list)
{
	return entity_tags_name(slice_of(list), "\"abc.12\"", COMPARE_WEAK);
}

static void an_entity_tag_is_found_in_a_list_by_weak_comparison(void **state)
{
	static const char *const good[] = { "\"abc.12\"",
		                            "W/\"abc.12\"",
		                            "\"x\", \"abc.12\"",
		                            "\"x\",W/\"abc.12\"",
		                            " , \"x\" ,, \"abc.12\" , ",
		                            "\"a, b\", \"abc.12\"",
		                            "*",
		                            "  *  " };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!matches(good[i]))
			fail_msg("not found in: %s", good[i]);
}

static void another_tag_is_not_this_one(void **state)
{
	static const char *const bad[] = { "",
		                           "abc.12",
		                           "\"abc.1\"",
		                           "\"abc.123\"",
		                           "\"xabc.12\"",
		                           "\"ABC.12\"",
		                           "\"abc.12",
		                           "w/\"abc.12\"",
		                           "W/ \"abc.12\"",
		                           "\"x\"*",
		                           "\"abc.12\"x",
		                           "\"x\" \"abc.12\"",
		                           "*\"",
		                           "\"\"abc.12\"\"",
		                           "\"x, W/\"abc.12\"",
		                           "W/" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (matches(bad[i]))
			fail_msg("found in: %s", bad[i]);
}

static void a_weak_tag_is_equal_to_none_by_strong_comparison(void **state)
{
	const char *etag = "\"abc.12\"";

	(void)state;
	assert_false(entity_tags_name(SLICE("W/\"abc.12\""), etag, COMPARE_STRONG));
	assert_true(entity_tags_name(SLICE("W/\"x\", \"abc.12\""), etag, COMPARE_STRONG));
	assert_true(entity_tags_name(SLICE("*"), "", COMPARE_STRONG));
	assert_false(entity_tags_name(SLICE("\"\""), "", COMPARE_STRONG));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entity_tag_is_found_in_a_list_by_weak_comparison),
		TEST(another_tag_is_not_this_one),
		TEST(a_weak_tag_is_equal_to_none_by_strong_comparison),
	};

	return RUN("entity_tag", tests);
}
