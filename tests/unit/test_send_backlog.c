/* The bodies that wait to be sent, in virtual time. */
#include "kit.h"

#include "send/backlog.h"

#define NO_RANDOM 0
#define ALL_RANDOM (UINT64_MAX)

static void add(struct backlog *b, const char *text, uint64_t now)
{
	struct buf body = { 0 };

	buf_text(&body, text);
	backlog_add(b, &body, 1, now);
	assert_null(body.ptr);
}

static bool next_is(const struct backlog *b, uint64_t now, const char *text)
{
	const struct backlog_body *body = backlog_next(b, now);

	return text ? body && slice_is(buf_as_slice(&body->bytes), text) : !body;
}

static void bodies_are_sent_in_their_order(void **state)
{
	struct backlog b = { .count = 0 };

	(void)state;
	assert_true(next_is(&b, 1000, NULL));
	assert_true(backlog_wait_ms(&b, 1000) == UINT64_MAX);
	assert_false(backlog_is_old(&b, UINT64_MAX));
	for (unsigned round = 0; round < 20; round++) {
		add(&b, "a", 1000);
		add(&b, "b", 1000);
		assert_int_equal(backlog_wait_ms(&b, 1000), 0);
		assert_true(next_is(&b, 1000, "a"));
		backlog_drop(&b);
		backlog_done(&b);
		assert_true(next_is(&b, 1000, "b"));
		backlog_drop(&b);
	}
	assert_int_equal(b.bytes, 0);
	backlog_finish(&b);
}

static void the_pause_doubles_up_to_a_limit(void **state)
{
	static const uint64_t pauses[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };
	struct backlog b = { .count = 0 };
	uint64_t now = 5000;

	(void)state;
	add(&b, "a", now);
	for (size_t i = 0; i < COUNT(pauses); i++) {
		struct backlog random = b;
		backlog_failed(&random, now, 0, pauses[i] / 2); /* the largest remainder */
		assert_int_equal(random.due, now + pauses[i]);
		backlog_failed(&b, now, 0, NO_RANDOM);
		assert_int_equal(b.due, now + pauses[i] / 2);
		assert_int_equal(backlog_wait_ms(&b, now), pauses[i] / 2);
		assert_true(next_is(&b, b.due - 1, NULL));
		assert_true(next_is(&b, b.due, "a"));
		now = b.due;
	}
	backlog_done(&b);
	backlog_failed(&b, now, 0, NO_RANDOM);
	assert_int_equal(b.due, now + 500);
	backlog_finish(&b);
}

static void the_receiver_may_ask_for_a_longer_pause_but_not_for_any(void **state)
{
	struct backlog b = { .count = 0 };

	(void)state;
	add(&b, "a", 1000);
	backlog_failed(&b, 1000, 7000, NO_RANDOM);
	assert_int_equal(b.due, 8000);
	backlog_failed(&b, 8000, 1, NO_RANDOM); /* not for a shorter one */
	assert_int_equal(b.due, 9000);
	backlog_failed(&b, 9000, UINT64_MAX, ALL_RANDOM);
	assert_int_equal(b.due, 9000 + BACKLOG_PAUSE_MAX_MS);
	backlog_finish(&b);
}

static void a_body_becomes_old(void **state)
{
	struct backlog b = { .count = 0 };

	(void)state;
	add(&b, "a", 1000);
	add(&b, "b", 2000);
	assert_false(backlog_is_old(&b, 1000 + BACKLOG_KEEP_MS - 1));
	assert_true(backlog_is_old(&b, 1000 + BACKLOG_KEEP_MS));
	backlog_drop(&b);
	assert_false(backlog_is_old(&b, 1000 + BACKLOG_KEEP_MS));
	backlog_finish(&b);
	assert_int_equal(b.count, 0);
}

static void its_size_is_limited(void **state)
{
	struct backlog b = { .count = 0 };
	struct buf large = { 0 };

	(void)state;
	for (unsigned i = 0; i < BACKLOG_BODIES; i++) {
		assert_true(backlog_has_room(&b));
		add(&b, "a", 1000);
	}
	assert_false(backlog_has_room(&b));
	backlog_drop(&b);
	assert_true(backlog_has_room(&b));
	backlog_finish(&b);
	buf_reserve(&large, BACKLOG_BYTES);
	large.len = BACKLOG_BYTES - 1;
	backlog_add(&b, &large, 1, 1000);
	assert_true(backlog_has_room(&b));
	add(&b, "a", 1000);
	assert_false(backlog_has_room(&b));
	backlog_finish(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(bodies_are_sent_in_their_order),
		TEST(the_pause_doubles_up_to_a_limit),
		TEST(the_receiver_may_ask_for_a_longer_pause_but_not_for_any),
		TEST(a_body_becomes_old),
		TEST(its_size_is_limited),
	};

	return RUN("send backlog", tests);
}
