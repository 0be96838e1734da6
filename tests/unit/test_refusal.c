/* Streams refused for load: who is told by an event, and when they are to come back. */
#include "kit.h"

#include "net/refusal.h"

#define ROUNDS 2000

static void the_first_ones_come_back_after_5_to_15_s(void **state)
{
	unsigned least = UINT32_MAX, most = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct refusals r = { 0 };
		unsigned ms = refusals_wait_ms(&r, 1000);
		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_in_range(least, 5000, 5200);
	assert_in_range(most, 14800, 15000);
}

static void a_server_that_stops_is_tried_again_after_2_to_4_s(void **state)
{
	unsigned least = UINT32_MAX, most = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		unsigned ms = refusal_stopping_ms();
		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_in_range(least, 2000, 2040);
	assert_in_range(most, 3960, 4000);
}

static uint64_t average(struct refusals *r, uint64_t now, int count)
{
	uint64_t sum = 0;

	for (int i = 0; i < count; i++)
		sum += refusals_wait_ms(r, now);
	return sum / (uint64_t)count;
}

static void the_more_are_refused_the_longer_they_wait(void **state)
{
	struct refusals r = { 0 };

	(void)state;
	assert_in_range(average(&r, 0, 100), 9000, 11500);
	average(&r, 0, REFUSALS_DOUBLE - 100);
	assert_in_range(average(&r, 0, 200), 18500, 22500);
	average(&r, 0, 10 * REFUSALS_DOUBLE);
	for (int i = 0; i < ROUNDS; i++)
		assert_in_range(refusals_wait_ms(&r, 0), 55000, REFUSALS_LIMIT_MS);
}

static void the_wait_becomes_short_again(void **state)
{
	struct refusals r = { 0 };

	(void)state;
	average(&r, 0, 4 * REFUSALS_DOUBLE);
	assert_in_range(average(&r, REFUSALS_HALVED_MS - 1, 1), 25000, 75010);
	assert_int_equal(r.recent, 4 * REFUSALS_DOUBLE + 1);
	average(&r, REFUSALS_HALVED_MS, 1);
	assert_int_equal(r.recent, 2 * REFUSALS_DOUBLE + 1);
	average(&r, 100 * REFUSALS_HALVED_MS, 1);
	assert_int_equal(r.recent, 1);
	average(&r, UINT64_C(1) << 50, 1);
	assert_int_equal(r.recent, 1);
}

static bool is_event(const char *accept, enum outcome o)
{
	return refusal_is_event(slice_of(accept), o);
}

static void only_a_client_that_names_the_type_is_told_by_an_event(void **state)
{
	(void)state;
	assert_true(is_event("text/event-stream", OUTCOME_OVERLOADED));
	assert_true(is_event("Text/Event-Stream", OUTCOME_STOPPING));
	assert_true(
	    is_event("text/html , text/event-stream;q=0.9,*/*", OUTCOME_STORAGE_UNAVAILABLE));
	assert_false(is_event("*/*", OUTCOME_OVERLOADED));
	assert_false(is_event("text/*", OUTCOME_OVERLOADED));
	assert_false(is_event("", OUTCOME_OVERLOADED));
	assert_false(is_event(NULL, OUTCOME_OVERLOADED));
	assert_false(is_event(",;,", OUTCOME_OVERLOADED));
	assert_false(is_event("text/event-streams", OUTCOME_OVERLOADED));
	assert_false(is_event("xtext/event-stream", OUTCOME_OVERLOADED));
}

static void only_load_and_rate_are_told_by_an_event(void **state)
{
	(void)state;
	assert_true(is_event("text/event-stream", OUTCOME_RATE_LIMITED));
	assert_false(is_event("text/event-stream", OUTCOME_NOT_FOUND));
	assert_false(is_event("text/event-stream", OUTCOME_BAD_REQUEST));
	assert_false(is_event("text/event-stream", OUTCOME_OK));
}

static void the_event_says_when_to_come_back(void **state)
{
	struct buf b = { 0 };

	(void)state;
	refusal_encode(&b, OUTCOME_OVERLOADED, 9137);
	assert_string_equal(
	    buf_string(&b),
	    "retry: 9137\n\nevent: refused\n"
	    "data: {\"code\":\"overloaded\",\"status\":503,\"retryAfterMs\":9137}\n\n");
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_ones_come_back_after_5_to_15_s),
		TEST(a_server_that_stops_is_tried_again_after_2_to_4_s),
		TEST(the_more_are_refused_the_longer_they_wait),
		TEST(the_wait_becomes_short_again),
		TEST(only_a_client_that_names_the_type_is_told_by_an_event),
		TEST(only_load_and_rate_are_told_by_an_event),
		TEST(the_event_says_when_to_come_back),
	};

	return RUN("refusal", tests);
}
