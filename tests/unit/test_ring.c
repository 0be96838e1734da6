#include "kit.h"

#include "joblight/core/ring.h"
#include "simulation/dice.h"

#define EPOCH "epoch00000"

/* A ring of its own with these limits, which begins behind `head`. */
struct bench {
	struct limits limits;
	struct ring_budget budget;
	struct ring *ring;
};

static void open_ring(struct bench *b, uint64_t events, uint64_t bytes, uint64_t head)
{
	b->limits = limits_default;
	b->limits.ring_events = events;
	b->limits.ring_bytes = bytes;
	b->budget = (struct ring_budget){ .max = UINT64_MAX };
	b->ring = ring_create(&b->limits, &b->budget, EPOCH);
	ring_use(b->ring, FRAME_SSE);
	ring_start(b->ring, head);
}

static void use_every_framing(struct bench *b)
{
	for (int f = 0; f < FRAMING_COUNT; f++)
		ring_use(b->ring, (enum framing)f);
}

static void close_ring(struct bench *b)
{
	ring_free(b->ring);
	assert_int_equal(b->budget.used, 0);
}

/* The JSON of event `seq`; its length depends on seq. */
static struct slice json_of(uint64_t seq)
{
	static char text[200];
	int len = snprintf(text, sizeof(text), "{\"seq\":%llu,\"x\":\"%.*s\"}",
	                   (unsigned long long)seq, (int)(seq % 40),
	                   "0123456789012345678901234567890123456789");

	return (struct slice){ text, (size_t)len };
}

static void append(struct bench *b, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++)
		ring_append(b->ring, seq, (enum event_type)(seq % EVENT_LOGGED_COUNT),
		            json_of(seq));
}

static void add_frame(struct buf *out, enum framing f, uint64_t seq)
{
	frame_add(out, f, EPOCH, seq, (enum event_type)(seq % EVENT_LOGGED_COUNT), json_of(seq));
}

/* What comes behind `seq` in at most `most` bytes ends with `last`. */
static void frames_are(const struct bench *b, enum framing f, uint64_t seq, size_t most,
                       uint64_t last)
{
	struct buf must = { 0 };
	uint64_t got;
	struct slice frames = ring_frames(b->ring, f, seq, most, &got);

	assert_int_equal(got, last);
	for (uint64_t i = seq + 1; i <= last; i++)
		add_frame(&must, f, i);
	assert_int_equal(frames.len, must.len);
	if (must.len)
		assert_memory_equal(frames.ptr, must.ptr, must.len);
	buf_finish(&must);
}

static void everything_unseen_goes_out_in_one_piece(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 64, 65536, 0);
	append(&b, 1, 20);
	for (uint64_t seq = 0; seq <= 20; seq++)
		frames_are(&b, FRAME_SSE, seq, SIZE_MAX, 20);
	close_ring(&b);
}

static void a_piece_ends_with_a_whole_frame(void **state)
{
	struct bench b;
	struct buf two = { 0 };

	(void)state;
	open_ring(&b, 64, 65536, 0);
	append(&b, 1, 20);
	add_frame(&two, FRAME_SSE, 6);
	add_frame(&two, FRAME_SSE, 7);
	frames_are(&b, FRAME_SSE, 5, two.len, 7);
	frames_are(&b, FRAME_SSE, 5, two.len - 1, 6);
	frames_are(&b, FRAME_SSE, 5, two.len + 1, 7);
	frames_are(&b, FRAME_SSE, 5, 1, 6); /* one at least */
	buf_finish(&two);
	close_ring(&b);
}

static void it_goes_on_behind_the_head_it_was_started_with(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 64, 65536, 41);
	assert_true(ring_started(b.ring));
	assert_int_equal(ring_first(b.ring), 42);
	assert_int_equal(ring_next(b.ring), 42);
	assert_false(ring_reaches(b.ring, 40));
	assert_true(ring_reaches(b.ring, 41));
	ring_start(b.ring, 50); /* once is enough: what is between comes by itself */
	append(&b, 42, 43);
	frames_are(&b, FRAME_SSE, 41, SIZE_MAX, 43);
	close_ring(&b);
}

static void the_first_event_starts_it_too(void **state)
{
	struct bench b = { .limits = limits_default, .budget = { .max = UINT64_MAX } };

	(void)state;
	b.ring = ring_create(&b.limits, &b.budget, EPOCH);
	ring_use(b.ring, FRAME_SSE);
	assert_false(ring_started(b.ring));
	assert_false(ring_reaches(b.ring, 0));
	append(&b, 7, 8);
	assert_int_equal(ring_first(b.ring), 7);
	assert_false(ring_reaches(b.ring, 5));
	frames_are(&b, FRAME_SSE, 6, SIZE_MAX, 8);
	close_ring(&b);
}

static void what_is_there_already_is_ignored(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 64, 65536, 2);
	append(&b, 3, 6);
	append(&b, 1, 6);
	assert_int_equal(ring_first(b.ring), 3);
	frames_are(&b, FRAME_SSE, 2, SIZE_MAX, 6);
	close_ring(&b);
}

static void a_hole_is_never_read_over(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 64, 65536, 0);
	append(&b, 1, 5);
	append(&b, 7, 8);
	assert_int_equal(ring_first(b.ring), 7);
	assert_int_equal(ring_next(b.ring), 9);
	for (uint64_t seq = 0; seq < 6; seq++)
		assert_false(ring_reaches(b.ring, seq));
	frames_are(&b, FRAME_SSE, 6, SIZE_MAX, 8);
	close_ring(&b);
}

static void the_oldest_is_overwritten_by_count(void **state)
{
	static const uint64_t counts[] = { 1, 4, 5, 8, 16, 33 };

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		struct bench b;
		open_ring(&b, counts[i], 1 << 20, 0);
		append(&b, 1, 100);
		assert_int_equal(ring_next(b.ring), 101);
		assert_int_equal(ring_first(b.ring), 101 - counts[i]);
		assert_false(ring_reaches(b.ring, 99 - counts[i]));
		frames_are(&b, FRAME_SSE, 100 - counts[i], SIZE_MAX, 100);
		close_ring(&b);
	}
}

static size_t bytes_held(const struct bench *b, enum framing f)
{
	uint64_t last;

	return ring_frames(b->ring, f, ring_first(b->ring) - 1, SIZE_MAX, &last).len;
}

static void the_oldest_is_overwritten_by_bytes(void **state)
{
	struct bench b;
	struct buf next = { 0 };

	(void)state;
	open_ring(&b, 1000, 1024, 0);
	append(&b, 1, 200);
	assert_in_range(bytes_held(&b, FRAME_SSE), 1, 1024);
	frames_are(&b, FRAME_SSE, ring_first(b.ring) - 1, SIZE_MAX, 200);
	add_frame(&next, FRAME_SSE, ring_first(b.ring) - 1);
	assert_true(bytes_held(&b, FRAME_SSE) + next.len > 1024); /* and not sooner than it must */
	buf_finish(&next);
	close_ring(&b);
}

static void an_event_too_large_is_left_to_the_store(void **state)
{
	struct bench b;
	char huge[2000];

	(void)state;
	memset(huge, 'x', sizeof(huge));
	open_ring(&b, 16, 1024, 0);
	append(&b, 1, 3);
	ring_append(b.ring, 4, EVENT_COMMAND, (struct slice){ huge, sizeof(huge) });
	assert_int_equal(ring_next(b.ring), 5);
	assert_int_equal(ring_first(b.ring), 5);
	assert_false(ring_reaches(b.ring, 3));
	frames_are(&b, FRAME_SSE, 4, SIZE_MAX, 4);
	append(&b, 5, 6);
	frames_are(&b, FRAME_SSE, 4, SIZE_MAX, 6);
	close_ring(&b);
}

static void who_is_ahead_of_it_gets_nothing_yet(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 16, 1024, 0);
	append(&b, 1, 3);
	assert_true(ring_reaches(b.ring, 10));
	frames_are(&b, FRAME_SSE, 10, SIZE_MAX, 10);
	append(&b, 4, 11);
	frames_are(&b, FRAME_SSE, 10, SIZE_MAX, 11);
	close_ring(&b);
}

static void every_framing_has_the_same_json(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 16, 65536, 0);
	use_every_framing(&b);
	append(&b, 1, 10);
	for (int f = 0; f < FRAMING_COUNT; f++)
		frames_are(&b, (enum framing)f, 0, SIZE_MAX, 10);
	for (uint64_t seq = 1; seq <= 10; seq++) {
		struct slice json = ring_json(b.ring, seq), must = json_of(seq);
		assert_int_equal(json.len, must.len);
		assert_memory_equal(json.ptr, must.ptr, must.len);
		assert_int_equal(ring_type(b.ring, seq), seq % EVENT_LOGGED_COUNT);
	}
	close_ring(&b);
}

static void a_framing_that_comes_later_gets_what_is_here(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 8, 65536, 0);
	append(&b, 1, 20);
	ring_use(b.ring, FRAME_WS);
	frames_are(&b, FRAME_WS, 12, SIZE_MAX, 20);
	ring_use(b.ring, FRAME_NAMED);
	ring_use(b.ring, FRAME_NAMED); /* twice is once */
	use_every_framing(&b);
	append(&b, 21, 22);
	for (int f = 0; f < FRAMING_COUNT; f++)
		frames_are(&b, (enum framing)f, 14, SIZE_MAX, 22);
	close_ring(&b);
}

static void a_longer_framing_drops_the_oldest_for_all(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 1000, 1024, 0);
	append(&b, 1, 100);
	uint64_t before = ring_first(b.ring);
	ring_use(b.ring, FRAME_NAMED);
	assert_true(ring_first(b.ring) > before);
	assert_in_range(bytes_held(&b, FRAME_NAMED), 1, 1024);
	frames_are(&b, FRAME_NAMED, ring_first(b.ring) - 1, SIZE_MAX, 100);
	frames_are(&b, FRAME_SSE, ring_first(b.ring) - 1, SIZE_MAX, 100);
	close_ring(&b);
}

/* Somebody asked for the job and left before the answer; then events came; then somebody else. */
static void events_that_nobody_framed_are_left_to_the_store(void **state)
{
	struct bench b = { .limits = limits_default, .budget = { .max = UINT64_MAX } };

	(void)state;
	b.ring = ring_create(&b.limits, &b.budget, EPOCH);
	append(&b, 1, 5);
	ring_use(b.ring, FRAME_SSE);
	assert_false(ring_reaches(b.ring, 4));
	assert_true(ring_reaches(b.ring, 5));
	ring_use(b.ring, FRAME_WS);
	append(&b, 6, 7);
	frames_are(&b, FRAME_SSE, 5, SIZE_MAX, 7);
	frames_are(&b, FRAME_WS, 5, SIZE_MAX, 7);
	close_ring(&b);
}

static void span_is_the_length_of_the_frames(void **state)
{
	struct bench b;
	struct buf must = { 0 };

	(void)state;
	open_ring(&b, 64, 65536, 0);
	append(&b, 1, 10);
	for (uint64_t seq = 4; seq <= 7; seq++)
		add_frame(&must, FRAME_SSE, seq);
	assert_int_equal(ring_span(b.ring, FRAME_SSE, 3, 7), must.len);
	assert_int_equal(ring_span(b.ring, FRAME_SSE, 3, 3), 0);
	buf_finish(&must);
	close_ring(&b);
}

static void memory_stays_within_the_cap_over_all_rings(void **state)
{
	struct bench a, b;

	(void)state;
	open_ring(&a, 512, 262144, 0);
	a.budget.max = 20000;
	append(&a, 1, 2000);
	assert_in_range(a.budget.used, 1, 20000);
	frames_are(&a, FRAME_SSE, ring_first(a.ring) - 1, SIZE_MAX, 2000);
	uint64_t kept = 2001 - ring_first(a.ring);
	assert_true(kept > 10);
	open_ring(&b, 512, 262144, 0); /* without a cap it keeps all that its own limits allow */
	append(&b, 1, 2000);
	assert_int_equal(ring_first(b.ring), 2001 - 512);
	close_ring(&a);
	close_ring(&b);
}

static void without_any_memory_everything_comes_from_the_store(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 512, 262144, 0);
	b.budget.max = 0;
	append(&b, 1, 50);
	assert_int_equal(ring_first(b.ring), 51);
	assert_int_equal(ring_next(b.ring), 51);
	assert_false(ring_reaches(b.ring, 49));
	assert_int_equal(b.budget.used, 0);
	close_ring(&b);
}

static void memory_is_no_more_than_twice_the_limit(void **state)
{
	struct bench b;

	(void)state;
	open_ring(&b, 65536, 4096, 0);
	ring_use(b.ring, FRAME_WS);
	append(&b, 1, 5000);
	assert_true(b.budget.used <= 2 * 2 * 4096 + 256 * 64);
	close_ring(&b);
}

/* Long and random, against frames made one by one. */
static void check_everywhere(const struct bench *b, struct dice *d)
{
	uint64_t first = ring_first(b->ring), next = ring_next(b->ring);

	for (int f = 0; f < FRAMING_COUNT; f++) {
		uint64_t from = first - 1 + dice_below(d, next - first + 1), last;
		size_t most = (size_t)dice_between(d, 1, 3000);
		struct slice got = ring_frames(b->ring, (enum framing)f, from, most, &last);
		assert_true(last == from ? from == next - 1 : last > from && last < next);
		assert_true(got.len <= most || last == from + 1);
		frames_are(b, (enum framing)f, from, most, last);
	}
}

static void any_history_keeps_the_frames_whole(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct dice d = { seed };
		struct bench b;
		uint64_t seq = dice_below(&d, 100);

		open_ring(&b, dice_between(&d, 1, 70), dice_between(&d, 1024, 6000), seq);
		b.budget.max = dice_chance(&d, 30) ? dice_below(&d, 12000) : UINT64_MAX;
		for (int step = 0; step < 500; step++) {
			seq += dice_chance(&d, 2) ? 2 : 1; /* now and then a hole */
			if (step == 100)
				ring_use(b.ring, FRAME_WS);
			if (step == 200)
				use_every_framing(&b);
			append(&b, seq, seq);
			assert_int_equal(ring_next(b.ring), seq + 1);
			assert_true(ring_next(b.ring) - ring_first(b.ring) <= b.limits.ring_events);
			if (step > 200)
				check_everywhere(&b, &d);
		}
		close_ring(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_unseen_goes_out_in_one_piece),
		TEST(a_piece_ends_with_a_whole_frame),
		TEST(it_goes_on_behind_the_head_it_was_started_with),
		TEST(the_first_event_starts_it_too),
		TEST(what_is_there_already_is_ignored),
		TEST(a_hole_is_never_read_over),
		TEST(the_oldest_is_overwritten_by_count),
		TEST(the_oldest_is_overwritten_by_bytes),
		TEST(an_event_too_large_is_left_to_the_store),
		TEST(who_is_ahead_of_it_gets_nothing_yet),
		TEST(every_framing_has_the_same_json),
		TEST(a_framing_that_comes_later_gets_what_is_here),
		TEST(a_longer_framing_drops_the_oldest_for_all),
		TEST(events_that_nobody_framed_are_left_to_the_store),
		TEST(span_is_the_length_of_the_frames),
		TEST(memory_stays_within_the_cap_over_all_rings),
		TEST(without_any_memory_everything_comes_from_the_store),
		TEST(memory_is_no_more_than_twice_the_limit),
		TEST(any_history_keeps_the_frames_whole),
	};

	return RUN("ring", tests);
}
