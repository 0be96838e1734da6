/*
 * Steady time (joblight/core/timeline.h) in the copy.  Nodes that share a clock have that of their
 * server; otherwise the saved readings are copied, so that it goes on.
 */
#include "copying.h"
#include "joblight/base/clock.h"
#include "joblight/core/timeline.h"

static struct clock_reading read_clocks(char boot[CLOCK_BOOT_LEN + 1])
{
	clock_boot_id(boot);
	return (struct clock_reading){
		.boot = boot,
		.wall = clock_wall_ms(),
		.monotonic = (int64_t)clock_monotonic_ms(),
		.boottime = (int64_t)clock_boottime_ms(),
	};
}

/* What is known of the steady time of a session with an open transaction. */
struct steady {
	bool shared, saved; /* it is the clock of a server; it has a row */
	int64_t shared_ms;
	struct clock_row row;
};

static bool look(struct store *s, struct steady *t)
{
	enum store_result r = s->ops->now(s, &t->shared_ms);

	t->shared = r == STORE_OK;
	t->saved = false;
	if (r != STORE_NONE)
		return t->shared;
	r = s->ops->clock_get(s, &t->row);
	t->saved = r == STORE_OK;
	return r == STORE_OK || r == STORE_NONE;
}

static int64_t steady_ms(const struct steady *t, struct timeline *line)
{
	char boot[CLOCK_BOOT_LEN + 1];
	struct clock_reading now = read_clocks(boot);

	timeline_start(line, t->saved ? &t->row : NULL, &now);
	return t->shared ? t->shared_ms : line->row.steady;
}

static enum store_result save(struct store *s, const struct clock_row *row)
{
	enum store_result r = s->ops->begin(s);

	if (r != STORE_OK)
		return r;
	r = s->ops->clock_put(s, row);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	if (r != STORE_OK)
		s->ops->rollback(s);
	return r;
}

static bool look_back(struct copying *c, struct steady *t)
{
	if (c->back->ops->begin(c->back) != STORE_OK)
		return false;
	bool ok = look(c->back, t);
	c->back->ops->rollback(c->back);
	return ok;
}

bool copy_clock(struct copying *c)
{
	struct steady from, to;
	struct timeline line;

	if (!look(c->from, &from))
		return copy_read_failed(c);
	if (!look_back(c, &to))
		return copy_back_failed(c);
	int64_t from_ms = steady_ms(&from, &line);
	if (!to.shared && !from.shared) /* it is read by the same clocks */
		return !from.saved || save(c->to, &from.row) == STORE_OK || copy_write_failed(c);
	c->shift = steady_ms(&to, &line) - from_ms;
	return to.shared || save(c->to, &line.row) == STORE_OK || copy_write_failed(c);
}
