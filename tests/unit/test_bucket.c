/* Token buckets at their edges; the clock is a number. */
#include "kit.h"

#include <pthread.h>

#include "net/bucket.h"

static const struct rate ten_per_second = { 10, 1000 };

static void a_new_bucket_is_full(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(bucket_take(&b, &ten_per_second, 1, 5000), 0);
	assert_int_equal(bucket_take(&b, &ten_per_second, 1, 5000), 100);
}

static void a_token_comes_back_after_its_interval_and_not_before(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	assert_int_equal(bucket_take(&b, &ten_per_second, 10, 5000), 0);
	assert_int_equal(bucket_take(&b, &ten_per_second, 1, 5099), 1);
	assert_int_equal(bucket_take(&b, &ten_per_second, 1, 5100), 0);
	assert_int_equal(bucket_take(&b, &ten_per_second, 1, 5100), 100);
}

static void the_wait_that_is_told_is_the_shortest_that_succeeds(void **state)
{
	static const struct rate seven = { 7, 1000 }; /* no whole number of ms for each */
	struct bucket b = { 0 };
	uint64_t now = 12345;

	(void)state;
	bucket_take(&b, &seven, 7, now);
	for (int i = 0; i < 100; i++) {
		uint64_t wait = bucket_take(&b, &seven, 1, now);
		assert_in_range(wait, 1, 143);
		assert_int_not_equal(bucket_take(&b, &seven, 1, now + wait - 1), 0);
		now += wait;
		assert_int_equal(bucket_take(&b, &seven, 1, now), 0);
	}
	assert_in_range(now - 12345, 14200, 14400); /* 100 at 7 per second */
}

static void a_refusal_takes_nothing(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	bucket_take(&b, &ten_per_second, 8, 0);
	assert_int_equal(bucket_take(&b, &ten_per_second, 3, 0), 100);
	assert_int_equal(bucket_take(&b, &ten_per_second, 3, 0), 100);
	assert_int_equal(bucket_take(&b, &ten_per_second, 2, 0), 0);
}

static void it_never_holds_more_than_the_quota(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	bucket_take(&b, &ten_per_second, 10, 0);
	assert_int_equal(bucket_take(&b, &ten_per_second, 10, 1000000), 0);
	assert_int_equal(bucket_take(&b, &ten_per_second, 1, 1000000), 100);
}

static void more_than_the_quota_is_taken_from_a_full_bucket_only(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	assert_int_equal(bucket_take(&b, &ten_per_second, 25, 0), 0);
	assert_int_equal(bucket_take(&b, &ten_per_second, 1, 0), 1600);
	assert_int_equal(bucket_take(&b, &ten_per_second, 25, 2499), 1);
	assert_int_equal(bucket_take(&b, &ten_per_second, 25, 2500), 0);
}

static void no_quota_is_no_limit(void **state)
{
	static const struct rate none = { 0, 1000 };
	struct bucket b = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(bucket_take(&b, &none, 1000, 0), 0);
}

static void a_changed_rate_holds_at_once(void **state)
{
	static const struct rate hundred = { 100, 1000 }, one = { 1, 1000 };
	struct bucket b = { 0 };

	(void)state;
	bucket_take(&b, &ten_per_second, 10, 0);
	assert_int_equal(bucket_take(&b, &hundred, 1, 0), 10);
	assert_int_equal(bucket_take(&b, &one, 1, 500), 500);
}

static void the_level_says_what_is_left_and_when_it_is_full(void **state)
{
	struct bucket b = { 0 };
	struct bucket_level level = bucket_level(&b, &ten_per_second, 77);

	(void)state;
	assert_int_equal(level.left, 10);
	assert_int_equal(level.full_ms, 0);
	bucket_take(&b, &ten_per_second, 10, 77);
	level = bucket_level(&b, &ten_per_second, 77 + 99);
	assert_int_equal(level.left, 0);
	assert_int_equal(level.full_ms, 901);
	level = bucket_level(&b, &ten_per_second, 77 + 100);
	assert_int_equal(level.left, 1);
	bucket_take(&b, &ten_per_second, 100, 77 + 1000);
	level = bucket_level(&b, &ten_per_second, 77 + 1000);
	assert_int_equal(level.left, 0);
	assert_int_equal(level.full_ms, 10000);
}

static void the_largest_numbers_do_not_overflow(void **state)
{
	static const struct rate fast = { UINT64_C(1000000) * 3600, 3600000 },
	                         slow = { 1, 3600000 };
	struct bucket a = { 0 }, b = { 0 };
	uint64_t now = UINT64_C(1) << 40; /* ms: 35 years after the boot */

	(void)state;
	assert_int_equal(bucket_take(&a, &fast, fast.quota, now), 0);
	assert_int_equal(bucket_take(&a, &fast, 1, now), 1);
	assert_int_equal(bucket_take(&b, &slow, SIZE_MAX, now), 0);
	assert_true(bucket_take(&b, &slow, 1, now) > slow.window_ms);
}

/* Threads take from one bucket at one moment: exactly the quota succeeds. */

#define THREADS 4
static struct bucket shared;
static const struct rate many = { 100000, 1000 };

static void *take_many(void *count)
{
	for (uint64_t i = 0; i < many.quota; i++)
		*(uint64_t *)count += !bucket_take(&shared, &many, 1, 5);
	return NULL;
}

static void threads_share_a_bucket(void **state)
{
	pthread_t threads[THREADS];
	uint64_t counts[THREADS] = { 0 }, sum = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &counts[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += counts[i];
	}
	assert_int_equal(sum, many.quota);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_bucket_is_full),
		TEST(a_token_comes_back_after_its_interval_and_not_before),
		TEST(the_wait_that_is_told_is_the_shortest_that_succeeds),
		TEST(a_refusal_takes_nothing),
		TEST(it_never_holds_more_than_the_quota),
		TEST(more_than_the_quota_is_taken_from_a_full_bucket_only),
		TEST(no_quota_is_no_limit),
		TEST(a_changed_rate_holds_at_once),
		TEST(the_level_says_what_is_left_and_when_it_is_full),
		TEST(the_largest_numbers_do_not_overflow),
		TEST(threads_share_a_bucket),
	};

	return RUN("bucket", tests);
}
