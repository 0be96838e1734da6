/* What the other loops say about their watchers. */
#include "kit.h"

#include "joblight/core/remote_watchers.h"
#include "many.h"

static void each_loop_counts_for_itself(void **state)
{
	struct remote_watchers *a = remote_watchers_create();

	(void)state;
	assert_int_equal(remote_watchers_total(a, "j"), 0);
	remote_watchers_set(a, "j", 1, 3);
	remote_watchers_set(a, "j", 2, 4);
	remote_watchers_set(a, "k", 1, 7);
	assert_int_equal(remote_watchers_total(a, "j"), 7);
	remote_watchers_set(a, "j", 1, 1);
	assert_int_equal(remote_watchers_total(a, "j"), 5);
	remote_watchers_set(a, "j", 1, 0);
	remote_watchers_set(a, "j", 3, 0);
	assert_int_equal(remote_watchers_total(a, "j"), 4);
	remote_watchers_free(a);
	remote_watchers_free(NULL);
}

static void every_job_of_thousands_is_found(void **state)
{
	struct remote_watchers *a = remote_watchers_create();

	(void)state;
	for (unsigned i = 0; i < NAMES; i++)
		remote_watchers_set(a, many_id(i), i % 5, i + 1);
	for (unsigned i = 0; i < NAMES; i += 2)
		remote_watchers_set(a, many_id(i), i % 5, 0);
	for (unsigned i = 0; i < NAMES; i++)
		assert_int_equal(remote_watchers_total(a, many_id(i)), i % 2 ? i + 1 : 0);
	remote_watchers_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_loop_counts_for_itself),
		TEST(every_job_of_thousands_is_found),
	};

	return RUN("remote watchers", tests);
}
