/* When a carrier of the bus tries again, and what is silent. */
#include "kit.h"

#include "bus/carrier_pace.h"

static void pauses_double_up_to_the_longest_and_a_part_of_each_is_random(void **state)
{
	static const uint64_t longest[] = { 50, 100, 200, 400, 800, 1500, 1500 };
	struct carrier_pace p = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(longest); i++) {
		carrier_pace_failed(&p, 1000);
		assert_in_range(carrier_pace_left(&p, 1000), longest[i] / 2, longest[i]);
		assert_int_equal(carrier_pace_left(&p, p.retry_ms - 1), 1);
		assert_int_equal(carrier_pace_left(&p, p.retry_ms), 0);
		assert_int_equal(carrier_pace_left(&p, p.retry_ms + 9), 0);
	}
}

static void after_a_connection_the_first_pause_is_short_again(void **state)
{
	struct carrier_pace p = { 0 };

	(void)state;
	for (int i = 0; i < 9; i++)
		carrier_pace_failed(&p, 1000);
	carrier_pace_connected(&p);
	carrier_pace_failed(&p, 1000);
	assert_in_range(carrier_pace_left(&p, 1000), 25, 50);
}

static void a_connection_is_silent_when_neither_the_probe_nor_a_byte_has_come(void **state)
{
	struct carrier_pace p = { 0 };

	(void)state;
	assert_false(carrier_pace_is_silent(&p, 0, 99999)); /* nothing is due */
	carrier_pace_probe_sent(&p, 1000);
	assert_false(carrier_pace_is_silent(&p, 10, 2999)); /* it is due since 1000 */
	assert_true(carrier_pace_is_silent(&p, 10, 3000));
	assert_false(carrier_pace_is_silent(&p, 1500, 3000)); /* something has come since */
	assert_true(carrier_pace_is_silent(&p, 1500, 3500));
	carrier_pace_probe_sent(&p, 2000); /* one more: the first one is still missing */
	assert_true(carrier_pace_is_silent(&p, 10, 3000));
	carrier_pace_probe_returned(&p);
	assert_false(carrier_pace_is_silent(&p, 10, 99999));
}

static void a_probe_is_lost_though_other_bytes_come(void **state)
{
	struct carrier_pace p = { 0 };

	(void)state;
	assert_false(carrier_pace_is_lost(&p, 99999));
	carrier_pace_probe_sent(&p, 1000);
	assert_false(carrier_pace_probe_is_due(&p, 1499));
	assert_true(carrier_pace_probe_is_due(&p, 1500));
	assert_false(carrier_pace_is_lost(&p, 10999));
	assert_true(carrier_pace_is_lost(&p, 11000));
	carrier_pace_failed(&p, 11000);
	assert_false(carrier_pace_is_lost(&p, 99999)); /* with the connection */
}

static void a_process_that_was_stopped_has_missed_nothing(void **state)
{
	struct carrier_pace p = { 0 };

	(void)state;
	assert_false(carrier_pace_tick(&p, 5000)); /* the first one */
	carrier_pace_probe_sent(&p, 5000);
	assert_false(carrier_pace_tick(&p, 5250));
	assert_false(carrier_pace_tick(&p, 6250));
	assert_true(carrier_pace_tick(&p, 60000));
	assert_false(carrier_pace_is_silent(&p, 5000, 60000));
	assert_true(carrier_pace_is_silent(&p, 5000, 62000)); /* counted from then on */
	carrier_pace_probe_returned(&p);
	assert_true(carrier_pace_tick(&p, 120000));
	assert_int_equal(p.waits_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pauses_double_up_to_the_longest_and_a_part_of_each_is_random),
		TEST(after_a_connection_the_first_pause_is_short_again),
		TEST(a_connection_is_silent_when_neither_the_probe_nor_a_byte_has_come),
		TEST(a_probe_is_lost_though_other_bytes_come),
		TEST(a_process_that_was_stopped_has_missed_nothing),
	};

	return RUN("carrier_pace", tests);
}
