/* The pause between two writes to many watchers, as the loop fills. */
#include "kit.h"

#include "joblight/core/pace.h"

#define MAX_MS 4

/* Samples of 25 ms until the pause has settled: so much of a core, so many events a write. */
static uint64_t settle(struct pace *p, double share, uint64_t events_per_write)
{
	uint64_t ms = p->ms;

	for (int i = 0; i < 200; i++) {
		struct pace_sample now = p->last;
		now.wall_us += PACE_SAMPLE_MS * 1000;
		now.cpu_us += (uint64_t)(share * PACE_SAMPLE_MS * 1000);
		now.writes += 100;
		now.events += 100 * events_per_write;
		ms = pace_take(p, &now);
	}
	return ms;
}

static struct pace fresh(void)
{
	struct pace p;

	pace_init(&p, MAX_MS, &(struct pace_sample){ 0 });
	return p;
}

static void below_half_load_there_is_no_pause(void **state)
{
	struct pace p = fresh();

	(void)state;
	assert_int_equal(p.ms, 0);
	assert_int_equal(settle(&p, 0.1, 1), 0);
	assert_int_equal(settle(&p, 0.5, 1), 0);
}

static void it_grows_with_the_load_up_to_its_maximum(void **state)
{
	struct pace p = fresh();

	(void)state;
	assert_int_equal(settle(&p, 0.6, 1), 1);
	assert_int_equal(settle(&p, 0.7, 1), 2);
	assert_int_equal(settle(&p, 0.8, 1), 3);
	assert_int_equal(settle(&p, 0.9, 1), MAX_MS);
	assert_int_equal(settle(&p, 1.0, 1), MAX_MS);
}

/* A pause that saves work does not end itself: what was saved counts too. */
static void what_the_pause_saves_does_not_end_it(void **state)
{
	struct pace p = fresh();

	(void)state;
	assert_int_equal(settle(&p, 0.3, 8), MAX_MS);
	assert_int_equal(settle(&p, 0.2, 2), 0);
}

static void load_that_comes_counts_sooner_than_load_that_goes(void **state)
{
	struct pace p = fresh();
	struct pace_sample now = { .wall_us = 25000, .cpu_us = 25000, .events = 1, .writes = 1 };

	(void)state;
	pace_take(&p, &now);
	now = (struct pace_sample){ .wall_us = 50000, .cpu_us = 50000, .events = 2, .writes = 2 };
	assert_int_equal(pace_take(&p, &now), 3);
	settle(&p, 1, 1);
	now = p.last;
	now.wall_us += 25000; /* idle for a moment */
	assert_int_equal(pace_take(&p, &now), MAX_MS);
}

static void a_sample_that_takes_no_time_changes_nothing(void **state)
{
	struct pace p = fresh();
	struct pace_sample now = { .cpu_us = 10, .events = 9, .writes = 1 };

	(void)state;
	settle(&p, 1, 1);
	now.wall_us = p.last.wall_us;
	assert_int_equal(pace_take(&p, &now), MAX_MS);
	assert_false(pace_is_due(&p, p.last.wall_us + PACE_SAMPLE_MS * 1000 - 1));
	assert_false(pace_is_due(
	    &p, p.last.wall_us -
	            999)); /* the loop's time is in milliseconds, and of the turn's begin */
	assert_true(pace_is_due(&p, p.last.wall_us + PACE_SAMPLE_MS * 1000));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(below_half_load_there_is_no_pause),
		TEST(it_grows_with_the_load_up_to_its_maximum),
		TEST(what_the_pause_saves_does_not_end_it),
		TEST(load_that_comes_counts_sooner_than_load_that_goes),
		TEST(a_sample_that_takes_no_time_changes_nothing),
	};

	return RUN("pace", tests);
}
