/* Steady time: what the wall clock does while the server runs, sleeps or is away. */
#include "kit.h"

#include "joblight/core/timeline.h"

#define NOON INT64_C(1770000000000)
#define HOUR INT64_C(3600000)

/* A machine with its clocks. */
static struct clock_reading machine;
static struct timeline line;

static void boots(const char *boot, int64_t wall)
{
	machine = (struct clock_reading){
		.boot = boot, .wall = wall, .monotonic = 5000, .boottime = 5000
	};
}

static void passes(int64_t ms)
{
	machine.wall += ms;
	machine.monotonic += ms;
	machine.boottime += ms;
}

static int64_t steady(void)
{
	return timeline_steady(&line, machine.monotonic);
}

static int64_t look(bool *save)
{
	return timeline_look(&line, &machine, save);
}

static bool waits(void)
{
	return timeline_waits(&line, machine.monotonic);
}

/* Restarts from what was saved: the row of the last look that said so. */
static int64_t restart(void)
{
	struct clock_row saved = line.row;

	return timeline_start(&line, &saved, &machine);
}

static void begins(void)
{
	boots("one", NOON);
	assert_int_equal(timeline_start(&line, NULL, &machine), 0);
	assert_int_equal(steady(), NOON);
	assert_false(waits());
}

static void time_passes_as_on_any_clock(void **state)
{
	bool save;

	(void)state;
	begins();
	for (int i = 0; i < 100; i++) {
		passes(1000);
		machine.wall += 10; /* it is being adjusted */
		assert_int_equal(look(&save), 0);
		assert_int_equal(steady(), NOON + (i + 1) * 1000);
	}
	assert_false(save);
	machine.wall += 1;
	assert_int_equal(look(&save), 0);
	assert_true(save); /* by now it is more than a second in all */
	assert_int_equal(look(&save), 0);
	assert_false(save);
}

static void a_jump_changes_nothing_and_is_seen_once(void **state)
{
	static const int64_t jumps[] = { 120000, -HOUR, 400 * 24 * HOUR, TIMELINE_JUMP_MS + 1,
		                         -TIMELINE_JUMP_MS - 1 };
	bool save;

	(void)state;
	for (size_t i = 0; i < COUNT(jumps); i++) {
		begins();
		passes(1000);
		machine.wall += jumps[i];
		assert_int_equal(look(&save), jumps[i]);
		assert_true(save && waits());
		assert_int_equal(steady(), NOON + 1000);
		passes(1000);
		assert_int_equal(look(&save), 0);
		assert_false(save);
		assert_int_equal(steady(), NOON + 2000);
	}
	begins();
	machine.wall += TIMELINE_JUMP_MS;
	assert_int_equal(look(&save), 0);
	assert_false(waits());
}

static void the_wall_clock_is_trusted_again_after_an_hour(void **state)
{
	bool save;

	(void)state;
	begins();
	machine.wall += HOUR;
	look(&save);
	passes(TIMELINE_WAIT_MS - 1);
	assert_true(waits());
	passes(1);
	assert_false(waits());
	machine.wall -= HOUR; /* and it is set right too late */
	look(&save);
	assert_true(waits());
	passes(HOUR / 2);
	restart();
	assert_true(waits()); /* a restart does not shorten it */
	passes(HOUR / 2);
	assert_false(waits());
}

static void a_restart_goes_on(void **state)
{
	(void)state;
	begins();
	passes(10 * HOUR);
	assert_int_equal(restart(), 0);
	assert_int_equal(steady(), NOON + 10 * HOUR);
	passes(1000);
	machine.wall -= HOUR; /* while the server is away */
	assert_int_equal(restart(), -HOUR);
	assert_int_equal(steady(), NOON + 10 * HOUR + 1000);
	assert_true(waits());
}

static void a_boot_goes_on_by_the_wall_clock(void **state)
{
	bool save;

	(void)state;
	begins();
	passes(1000);
	machine.wall += HOUR;
	look(&save);
	boots("two", NOON + HOUR + 61000);
	assert_int_equal(restart(), 0);
	assert_int_equal(steady(), NOON + 61000); /* the jump before it does not count */
}

static void a_boot_with_a_clock_that_went_back_is_no_time_at_all(void **state)
{
	(void)state;
	begins();
	boots("two", NOON - HOUR);
	assert_int_equal(restart(), -HOUR);
	assert_int_equal(steady(), NOON);
	assert_true(waits());
	passes(1000);
	assert_int_equal(steady(), NOON + 1000);
}

static void a_machine_that_slept_has_not_jumped(void **state)
{
	bool save;

	(void)state;
	begins();
	machine.wall += HOUR;
	machine.boottime += HOUR;
	assert_int_equal(look(&save), 0);
	assert_true(save);
	assert_false(waits());
	assert_int_equal(steady(), NOON); /* who was to speak meanwhile slept too */
}

static void nodes_that_share_a_clock_have_its_time(void **state)
{
	(void)state;
	boots("one", NOON);
	timeline_start(&line, NULL, &machine);
	assert_int_equal(timeline_join(&line, NOON + 500, &machine), 0);
	assert_true(line.shared);
	assert_int_equal(steady(), NOON + 500);
	assert_false(waits());
	passes(2000);
	assert_int_equal(steady(), NOON + 2500);
}

static void a_wall_clock_that_differs_from_the_shared_one_is_not_trusted(void **state)
{
	(void)state;
	boots("one", NOON);
	timeline_start(&line, NULL, &machine);
	assert_int_equal(timeline_join(&line, NOON - 10 * HOUR, &machine), 10 * HOUR);
	assert_true(waits());
	passes(HOUR);
	assert_false(waits());
}

static void nodes_follow_their_shared_clock_until_it_jumps(void **state)
{
	int64_t shared = NOON + 600000;

	(void)state;
	boots("one", NOON);
	assert_int_equal(timeline_join(&line, shared, &machine), -600000);
	for (int i = 0; i < 10; i++) {
		passes(60000);
		shared += 60900; /* this machine is slow */
		timeline_follow(&line, shared, machine.monotonic);
		assert_int_equal(steady(), shared);
	}
	passes(60000);
	timeline_follow(&line, shared + 60000 + HOUR, machine.monotonic);
	timeline_follow(&line, shared + 60000 - HOUR, machine.monotonic);
	assert_int_equal(steady(), shared + 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nodes_that_share_a_clock_have_its_time),
		TEST(a_wall_clock_that_differs_from_the_shared_one_is_not_trusted),
		TEST(time_passes_as_on_any_clock),
		TEST(a_jump_changes_nothing_and_is_seen_once),
		TEST(the_wall_clock_is_trusted_again_after_an_hour),
		TEST(a_restart_goes_on),
		TEST(a_boot_goes_on_by_the_wall_clock),
		TEST(a_boot_with_a_clock_that_went_back_is_no_time_at_all),
		TEST(a_machine_that_slept_has_not_jumped),
		TEST(nodes_follow_their_shared_clock_until_it_jumps),
	};

	return RUN("timeline", tests);
}
