#include "joblight/core/timeline.h"

#include <stdlib.h>
#include <string.h>

static bool differs(int64_t a, int64_t b)
{
	return a - b > TIMELINE_JUMP_MS || b - a > TIMELINE_JUMP_MS;
}

static void note(struct timeline *t, const struct clock_reading *now)
{
	snprintf(t->row.boot, sizeof(t->row.boot), "%s", now->boot);
	t->row.monotonic = now->monotonic;
	t->row.boottime = now->boottime;
	t->row.wall = now->wall;
	t->row.steady = timeline_steady(t, now->monotonic);
}

static bool same_boot(const struct clock_row *saved, const struct clock_reading *now)
{
	return strncmp(saved->boot, now->boot, sizeof(saved->boot) - 1) == 0 &&
	       now->monotonic >= saved->monotonic;
}

/* Without a boot-time clock only a step back can be detected. */
static int64_t jump_meanwhile(const struct clock_row *saved, const struct clock_reading *now)
{
	int64_t before = saved->wall - saved->boottime, after = now->wall - now->boottime;

	if (same_boot(saved, now))
		return differs(before, after) ? after - before : 0;
	return now->wall < saved->wall ? now->wall - saved->wall : 0;
}

static int64_t steady_now(const struct clock_row *saved, const struct clock_reading *now)
{
	if (same_boot(saved, now))
		return saved->steady + (now->monotonic - saved->monotonic);
	return saved->steady + (now->wall > saved->wall ? now->wall - saved->wall : 0);
}

int64_t timeline_start(struct timeline *t, const struct clock_row *saved,
                       const struct clock_reading *now)
{
	int64_t steady = saved ? steady_now(saved, now) : now->wall;
	int64_t jump = saved ? jump_meanwhile(saved, now) : 0;

	*t = (struct timeline){
		.row.trusted = saved ? saved->trusted : 0,
		.steady_minus_monotonic = steady - now->monotonic,
		.wall_minus_boottime = now->wall - now->boottime,
	};
	if (jump)
		t->row.trusted = steady + TIMELINE_WAIT_MS;
	note(t, now);
	return jump;
}

int64_t timeline_join(struct timeline *t, int64_t shared_ms, const struct clock_reading *now)
{
	int64_t off = differs(now->wall, shared_ms) ? now->wall - shared_ms : 0;

	t->shared = true;
	t->steady_minus_monotonic = shared_ms - now->monotonic;
	t->row.trusted = off ? shared_ms + TIMELINE_WAIT_MS : 0;
	note(t, now);
	return off;
}

void timeline_follow(struct timeline *t, int64_t shared_ms, int64_t monotonic)
{
	if (!differs(shared_ms, timeline_steady(t, monotonic)))
		t->steady_minus_monotonic = shared_ms - monotonic;
}

int64_t timeline_steady(const struct timeline *t, int64_t monotonic)
{
	return monotonic + t->steady_minus_monotonic;
}

int64_t timeline_look(struct timeline *t, const struct clock_reading *now, bool *save)
{
	int64_t steady = timeline_steady(t, now->monotonic), offset = now->wall - now->boottime,
	        jump = 0;

	if (differs(offset, t->wall_minus_boottime))
		jump = offset - t->wall_minus_boottime;
	t->wall_minus_boottime = offset;
	*save = jump || differs(now->wall - steady, t->row.wall - t->row.steady);
	if (jump)
		t->row.trusted = steady + TIMELINE_WAIT_MS;
	if (*save)
		note(t, now);
	return jump;
}

bool timeline_waits(const struct timeline *t, int64_t monotonic)
{
	return timeline_steady(t, monotonic) < t->row.trusted;
}
