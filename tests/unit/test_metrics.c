/* The cells of metrics, and the texts that they are written in. */
#include "kit.h"

#include <pthread.h>

#include "joblight/core/metric.h"

#define TURNS 200000
#define LOOKS 2000

static uint64_t total(unsigned cell)
{
	struct metric_values v;

	metrics_sum(&v);
	return v.cells[cell];
}

static void *count_many(void *unused)
{
	(void)unused;
	for (int i = 0; i < TURNS; i++)
		metric_count(METRIC_HEARTBEATS);
	return NULL;
}

/* Nothing is lost, and what a thread has counted stays when it ends. */
static void threads_count_without_a_lock_and_lose_nothing(void **state)
{
	uint64_t before = total(METRIC_HEARTBEATS), last = before;
	pthread_t threads[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL), 0);
	for (int i = 0; i < LOOKS; i++) {
		uint64_t now = total(METRIC_HEARTBEATS);
		assert_true(now >= last);
		last = now;
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(total(METRIC_HEARTBEATS), before + 3 * TURNS);
}

static void *count_one(void *block)
{
	*(struct metric_block **)block = metrics_block();
	metric_count(METRIC_HEARTBEATS);
	return NULL;
}

static void a_thread_goes_on_with_the_cells_of_one_that_ended(void **state)
{
	struct metric_block *blocks[2];
	const struct metric_block *own = metrics_block();
	uint64_t before = total(METRIC_HEARTBEATS);

	(void)state;
	for (int i = 0; i < 2; i++) {
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, count_one, &blocks[i]), 0);
		pthread_join(thread, NULL);
	}
	assert_ptr_equal(blocks[0], blocks[1]);
	assert_ptr_not_equal(blocks[0], own);
	assert_int_equal(total(METRIC_HEARTBEATS), before + 2);
}

static void *set_pace(void *unused)
{
	(void)unused;
	metric_set(METRIC_PACE, 8000);
	return NULL;
}

static void a_gauge_is_a_sum_or_the_highest_value(void **state)
{
	pthread_t thread;

	(void)state;
	metric_set(METRIC_PACE, 4000);
	assert_int_equal(pthread_create(&thread, NULL, set_pace, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(metrics_highest(METRIC_PACE), 8000);
	assert_int_equal(total(METRIC_PACE), 12000);
	metric_add(METRIC_RINGS, 10);
	metric_subtract(METRIC_RINGS, 4);
	assert_int_equal(total(METRIC_RINGS), 6);
	metric_subtract(METRIC_RINGS, 6);
}

static void a_value_on_the_bound_is_in_its_bucket(void **state)
{
	(void)state;
	metric_observe_us(METRIC_FSYNC, 0);
	metric_observe_us(METRIC_FSYNC, 50);
	metric_observe_us(METRIC_FSYNC, 51);
	metric_observe_us(METRIC_FSYNC, 10000000);
	metric_observe_us(METRIC_FSYNC, 10000001);
	assert_int_equal(total(METRIC_FSYNC), 2);
	assert_int_equal(total(METRIC_FSYNC + 1), 1);
	assert_int_equal(total(METRIC_FSYNC + METRIC_TIMES_CELLS - 3), 1);
	assert_int_equal(total(METRIC_FSYNC + METRIC_TIMES_CELLS - 2), 1);
	assert_int_equal(total(METRIC_FSYNC + METRIC_TIMES_CELLS - 1), 20000102);
	metric_observe_size(METRIC_COMMIT_SIZE, 512);
	metric_observe_size(METRIC_COMMIT_SIZE, 513);
	assert_int_equal(total(METRIC_COMMIT_SIZE_LAST), 1025);
	assert_int_equal(total(METRIC_COMMIT_SIZE_LAST - 1), 1);
	assert_int_equal(total(METRIC_COMMIT_SIZE_LAST - 2), 1);
}

static uint64_t count_at(unsigned cell, void (*observe)(unsigned cell, uint64_t value),
                         unsigned bucket, uint64_t value)
{
	uint64_t before = total(cell + bucket);

	observe(cell, value);
	return total(cell + bucket) - before;
}

static void every_bound_ends_its_bucket(void **state)
{
	static const uint64_t times[] = {
#define BOUND(value, text) value,
		METRIC_TIMES
#undef BOUND
	}, sizes[] = {
#define BOUND(value, text) value,
		METRIC_SIZES
#undef BOUND
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(times); i++) {
		assert_int_equal(count_at(METRIC_MAILBOX_WAIT, metric_observe_us, i, times[i]), 1);
		assert_int_equal(
		    count_at(METRIC_MAILBOX_WAIT, metric_observe_us, i + 1, times[i] + 1), 1);
	}
	for (unsigned i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(count_at(METRIC_COMMIT_SIZE, metric_observe_size, i, sizes[i]), 1);
		assert_int_equal(
		    count_at(METRIC_COMMIT_SIZE, metric_observe_size, i + 1, sizes[i] + 1), 1);
	}
	assert_int_equal(count_at(METRIC_MAILBOX_WAIT, metric_observe_us, COUNT(times), UINT64_MAX),
	                 1);
}

/* A clock that stands still or is read in another order takes no time, and not 585,000 years. */
static void time_is_never_negative(void **state)
{
	uint64_t before = total(METRIC_COMMIT_TIME);

	(void)state;
	metric_observe_since(METRIC_COMMIT_TIME, 1000, 999);
	metric_observe_since(METRIC_COMMIT_TIME, 1000, 1000);
	assert_int_equal(total(METRIC_COMMIT_TIME), before + 2);
	assert_int_equal(total(METRIC_COMMIT_TIME_LAST), 0);
}

/* Texts. */

static bool has(const struct buf *text, const char *lines)
{
	return memmem(text->ptr, text->len, lines, strlen(lines)) != NULL;
}

static void the_text_format_has_help_type_and_every_series(void **state)
{
	struct buf text = { 0 };

	(void)state;
	metric_add(METRIC_EVENTS + LABEL_TYPE_COMMAND, 3);
	metrics_encode(&text, EXPOSITION_TEXT);
	assert_true(has(&text, "# HELP joblight_events_total Events that were committed\n"
	                       "# TYPE joblight_events_total counter\n"
	                       "joblight_events_total{type=\"task_update\"} 0\n"));
	assert_true(has(&text, "joblight_events_total{type=\"command\"} 3\n"));
	assert_true(has(&text, "# TYPE joblight_fsync_seconds histogram\n"
	                       "joblight_fsync_seconds_bucket{le=\"0.00005\"} 2\n"
	                       "joblight_fsync_seconds_bucket{le=\"0.0001\"} 3\n"));
	assert_true(has(&text, "joblight_fsync_seconds_bucket{le=\"10.0\"} 4\n"
	                       "joblight_fsync_seconds_bucket{le=\"+Inf\"} 5\n"
	                       "joblight_fsync_seconds_sum 20.000102\n"
	                       "joblight_fsync_seconds_count 5\n"));
	assert_true(
	    has(&text, "joblight_mailbox_wait_seconds_bucket{mailbox=\"reads\",le=\"1.0\"} 0\n"));
	assert_true(has(&text, "joblight_pace_seconds 0.008000\n"));
	assert_true(has(&text, "joblight_connections{transport=\"sse\"} 0\n"));
	assert_false(has(&text, "code=\"ok\""));
	assert_false(has(&text, "# UNIT"));
	assert_false(has(&text, "# EOF"));
	buf_finish(&text);
}

static void open_metrics_names_families_and_units_and_has_an_end(void **state)
{
	struct buf text = { 0 };
	static const char end[] = "# EOF\n";

	(void)state;
	metrics_encode(&text, EXPOSITION_OPENMETRICS);
	assert_true(has(&text, "# HELP joblight_events Events that were committed\n"
	                       "# TYPE joblight_events counter\n"
	                       "joblight_events_total{type=\"task_update\"} 0\n"));
	assert_true(has(&text, "# TYPE joblight_sent_bytes counter\n"
	                       "# UNIT joblight_sent_bytes bytes\n"
	                       "joblight_sent_bytes_total 0\n"));
	assert_true(has(&text, "# UNIT joblight_fsync_seconds seconds\n"));
	assert_false(has(&text, "# UNIT joblight_commit_operations"));
	assert_memory_equal(text.ptr + text.len - strlen(end), end, strlen(end));
	buf_finish(&text);
}

static void add_seven(void *context, struct metric_values *v)
{
	v->cells[METRIC_FDS] += *(const uint64_t *)context;
}

static void a_source_adds_what_nobody_counts(void **state)
{
	static uint64_t seven = 7;
	struct metric_values v;

	(void)state;
	metric_set(METRIC_FDS, 2);
	metrics_add_source(add_seven, &seven);
	metrics_gather(&v);
	assert_int_equal(v.cells[METRIC_FDS], 9);
	metrics_sum(&v);
	assert_int_equal(v.cells[METRIC_FDS], 2);
}

static void a_total_is_over_the_cells_of_a_metric(void **state)
{
	struct metric_values v;

	(void)state;
	metric_add(METRIC_RATE_LIMITED, 1);
	metric_add(METRIC_RATE_LIMITED_LAST, 2);
	metric_add(METRIC_RATE_LIMITED_LAST + 1, 4);
	metrics_sum(&v);
	assert_int_equal(metrics_total(&v, METRIC_RATE_LIMITED, METRIC_RATE_LIMITED_LAST), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(threads_count_without_a_lock_and_lose_nothing),
		TEST(a_thread_goes_on_with_the_cells_of_one_that_ended),
		TEST(a_gauge_is_a_sum_or_the_highest_value),
		TEST(a_value_on_the_bound_is_in_its_bucket),
		TEST(every_bound_ends_its_bucket),
		TEST(time_is_never_negative),
		TEST(the_text_format_has_help_type_and_every_series),
		TEST(open_metrics_names_families_and_units_and_has_an_end),
		TEST(a_source_adds_what_nobody_counts),
		TEST(a_total_is_over_the_cells_of_a_metric),
	};

	return RUN("metrics", tests);
}
