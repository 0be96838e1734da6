/* Modules are loaded from the same build, and from no other. */
#include "kit.h"

#include "joblight/base/module.h"

struct example {
	uint64_t (*digits)(uint64_t seq);
};

static const void *open_example(const char *part, char *error, size_t error_len)
{
	return module_open_file(JOBLIGHT_TEST_MODULES "/joblight-example.so", part, error,
	                        error_len);
}

static void a_module_uses_the_functions_of_the_program(void **state)
{
	char error[512] = "";
	const struct example *example = open_example("example", error, sizeof error);

	(void)state;
	assert_string_equal(error, "");
	assert_non_null(example);
	assert_int_equal(example->digits(12345), 5);
}

static void a_module_of_another_build_is_refused(void **state)
{
	char error[512] = "";

	(void)state;
	assert_null(module_open_file(JOBLIGHT_TEST_MODULES "/joblight-foreign.so", "example", error,
	                             sizeof error));
	assert_non_null(strstr(error, "belongs to another build"));
	assert_non_null(strstr(error, "joblight-foreign.so"));
}

static void a_part_that_a_module_does_not_have_is_refused(void **state)
{
	char error[512] = "";

	(void)state;
	assert_null(open_example("carrier", error, sizeof error));
	assert_non_null(strstr(error, "not a module of joblight"));
}

static void a_library_that_is_no_module_is_refused(void **state)
{
	char error[512] = "";

	(void)state;
	assert_null(module_open_file("libm.so.6", "example", error, sizeof error));
	assert_non_null(strstr(error, "not a module of joblight"));
}

static void a_module_that_is_missing_is_named(void **state)
{
	char error[512] = "";

	(void)state;
	assert_null(
	    module_open_file("/nowhere/joblight-example.so", "example", error, sizeof error));
	assert_non_null(strstr(error, "/nowhere/joblight-example.so"));
	assert_null(module_open("example", "example", error, sizeof error));
	assert_non_null(strstr(error, "built without example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_module_uses_the_functions_of_the_program),
		TEST(a_module_of_another_build_is_refused),
		TEST(a_part_that_a_module_does_not_have_is_refused),
		TEST(a_library_that_is_no_module_is_refused),
		TEST(a_module_that_is_missing_is_named),
	};

	return RUN("module", tests);
}
