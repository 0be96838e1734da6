#include "kit.h"

#include "joblight/base/slice.h"

static void a_number_is_digits_and_no_more_of_them_than_may_be(void **state)
{
	static const char *const bad[] = {
		"", "12345", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e1"
	};
	uint64_t value = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (slice_number(slice_of(bad[i]), 4, &value))
			fail_msg("taken: %s", bad[i]);
	assert_false(slice_number((struct slice){ 0 }, 4, &value));
	assert_false(slice_number(SLICE("1\0"), 4, &value));
	assert_int_equal(value, 7);
	assert_true(slice_number(SLICE("0012"), 4, &value));
	assert_int_equal(value, 12);
	assert_true(slice_number(SLICE("9999999999999999999"), SLICE_DIGITS_MAX, &value));
	assert_true(value == 9999999999999999999u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_number_is_digits_and_no_more_of_them_than_may_be),
	};

	return RUN("slice", tests);
}
