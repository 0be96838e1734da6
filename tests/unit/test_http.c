/* Requests as handlers read them. */
#include "kit.h"

#include "net/request.h"

static bool matches(const char *list)
{
	struct request r = { .headers[HEADER_IF_NONE_MATCH] = slice_of(list) };

	return request_has_etag(&r, "\"abc.12\"");
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
		                           "*\"",
		                           "\"\"abc.12\"\"",
		                           "\"x, W/\"abc.12\"",
		                           "W/" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (matches(bad[i]))
			fail_msg("found in: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entity_tag_is_found_in_a_list_by_weak_comparison),
		TEST(another_tag_is_not_this_one),
	};

	return RUN("http", tests);
}
