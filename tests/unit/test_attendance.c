/* What a loop tells of watchers and when.  The watchers are those of another loop, which the hub
 * knows by their count. */
#include "kit.h"
#include "many.h"

#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/hub.h"
#include "net/attendance.h"
#include "net/loop_private.h"

#define MANY 20000

struct attendance_bench {
	struct limits limits;
	struct loop loop;
	uint64_t now;
};

struct worker {
	struct attendance_want want; /* first */
	struct buf story;            /* "job:watchers " … */
};

static bool no_read(void *context, struct read_request *r)
{
	(void)context;
	(void)r;
	return false;
}

static void no_wake(void *context)
{
	(void)context;
}

static void no_watchers(void *context, const char *job_id, unsigned count)
{
	(void)context;
	(void)job_id;
	(void)count;
}

static void no_follows(void *context, const char *job_id, bool follows)
{
	(void)context;
	(void)job_id;
	(void)follows;
}

static const struct hub_ops ops = { no_read, no_wake, no_watchers, no_follows };

static int setup(void **state)
{
	struct attendance_bench *b = xcalloc(1, sizeof(*b));

	b->limits = limits_default;
	b->loop.limits = &b->limits;
	b->loop.hub = hub_create(&b->limits, &ops, b);
	b->loop.attendance = attendance_create(&b->loop);
	b->now = 1000;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct attendance_bench *b = *state;

	attendance_free(b->loop.attendance);
	hub_free(b->loop.hub);
	free(b);
	return 0;
}

static void tick(struct attendance_bench *b, uint64_t ms)
{
	b->now += ms;
	attendance_tick(b->loop.attendance, b->now);
}

static void watched_by(struct attendance_bench *b, const char *job_id, unsigned count)
{
	hub_set_remote_watchers(b->loop.hub, job_id, 1, count);
	attendance_changed(b->loop.attendance, job_id);
}

static void hear(struct attendance_want *want, const char *job_id, unsigned watchers)
{
	buf_format(&((struct worker *)want)->story, "%s:%u ", job_id, watchers);
}

static void want(struct attendance_bench *b, struct worker *w, const char *job_id)
{
	*w = (struct worker){ .want.tell = hear };
	attendance_want(b->loop.attendance, &w->want, job_id);
}

static void heard(struct worker *w, const char *story)
{
	assert_string_equal(buf_string(&w->story), story);
	w->story.len = 0;
}

static void leave(struct attendance_bench *b, struct worker *w, const char *job_id)
{
	attendance_unwant(b->loop.attendance, &w->want, job_id);
	buf_finish(&w->story);
}

static void a_worker_hears_of_the_first_watcher_and_of_the_last(void **state)
{
	struct attendance_bench *b = *state;
	struct worker w, v;

	want(b, &w, "j");
	want(b, &v, "k");
	tick(b, 0);
	watched_by(b, "j", 1);
	tick(b, 0);
	heard(&w, "j:1 ");
	watched_by(b, "j", 0);
	tick(b, b->limits.presence_pace_ms - 1);
	heard(&w, "");
	tick(b, 1);
	heard(&w, "j:0 ");
	for (int i = 0; i < 3; i++)
		tick(b, b->limits.presence_pace_ms);
	watched_by(b, "j", 2);
	tick(b, 0);
	heard(&w, "j:2 ");
	heard(&v, "");
	leave(b, &w, "j");
	leave(b, &v, "k");
}

static void a_job_that_was_left_and_wanted_again_is_heard_of(void **state)
{
	struct attendance_bench *b = *state;
	struct worker w, v;

	want(b, &w, "j");
	want(b, &v, "j");
	leave(b, &w, "j");
	tick(b, 0);
	watched_by(b, "j", 1);
	tick(b, 0);
	heard(&v, "j:1 ");
	leave(b, &v, "j");
	want(b, &w, "j");
	watched_by(b, "j", 0);
	tick(b, b->limits.presence_pace_ms);
	heard(&w, "j:0 ");
	leave(b, &w, "j");
	for (int i = 0; i < 3; i++)
		tick(b, b->limits.presence_pace_ms);
	want(b, &w, "j");
	watched_by(b, "j", 1);
	tick(b, 0);
	heard(&w, "j:1 ");
	leave(b, &w, "j");
}

/* A hundred ticks, which would walk over all jobs a hundred times. */
static void a_job_about_which_nothing_changes_costs_a_tick_nothing(void **state)
{
	struct attendance_bench *b = *state;
	struct worker *many = xcalloc(MANY, sizeof(*many));
	char job_id[16];

	uint64_t began = clock_thread_cpu_us();
	for (int i = 0; i < MANY; i++) {
		snprintf(job_id, sizeof(job_id), "j%d", i);
		want(b, &many[i], job_id);
		watched_by(b, job_id, 1);
	}
	for (int i = 0; i < 3; i++)
		tick(b, b->limits.presence_pace_ms);
	uint64_t made = clock_thread_cpu_us();
	for (int i = 0; i < 100; i++)
		tick(b, b->limits.presence_pace_ms);
	uint64_t ticked = clock_thread_cpu_us();
	heard(&many[MANY - 1], "j19999:1 ");
	for (int i = 0; i < MANY; i++) {
		snprintf(job_id, sizeof(job_id), "j%d", i);
		leave(b, &many[i], job_id);
	}
	free(many);
	assert_true(ticked - made < (made - began) / 20);
}

static void every_job_of_thousands_is_heard_of(void **state)
{
	struct attendance_bench *b = *state;
	struct worker *many = xcalloc(NAMES, sizeof(*many));
	char story[ID_MAX + 8];

	for (unsigned i = 0; i < NAMES; i++) {
		want(b, &many[i], many_id(i));
		watched_by(b, many_id(i), 2);
	}
	tick(b, b->limits.presence_pace_ms);
	tick(b, b->limits.presence_pace_ms);
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(story, sizeof(story), "%s:2 ", many_id(i));
		if (!strstr(buf_string(&many[i].story), story))
			fail_msg("%u: %s", i, buf_string(&many[i].story));
		leave(b, &many[i], many_id(i));
	}
	free(many);
}

#define ATTENDANCE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ATTENDANCE_TEST(a_worker_hears_of_the_first_watcher_and_of_the_last),
		ATTENDANCE_TEST(a_job_that_was_left_and_wanted_again_is_heard_of),
		ATTENDANCE_TEST(every_job_of_thousands_is_heard_of),
		ATTENDANCE_TEST(a_job_about_which_nothing_changes_costs_a_tick_nothing),
	};

	return RUN("attendance", tests);
}
