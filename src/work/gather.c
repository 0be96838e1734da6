#include "gather.h"

#include <unistd.h>

#include "joblight/base/clock.h"

#define RECENT_US 10000 /* after an answer its worker may still come back */
#define MOMENT_US 600
#define STEP_US 50

static uint64_t count_ops(const struct op *ops)
{
	uint64_t count = 0;

	for (; ops; ops = next_op(ops))
		count++;
	return count;
}

void gather_expect(struct writer *w, const struct group *g, const struct op *rest)
{
	w->gather.count = g->shares ? g->count + count_ops(rest) + mailbox_depth(&w->queue) : 0;
}

void gather_begin(struct writer *w)
{
	w->gather.since_us = clock_monotonic_us();
}

void gather_more(struct writer *w, struct op *ops)
{
	uint64_t now = clock_monotonic_us(), until = now + MOMENT_US;

	if (!w->gather.count || now - w->gather.since_us > RECENT_US)
		return;
	uint64_t count = count_ops(ops);
	while (count + mailbox_depth(&w->queue) < w->gather.count && clock_monotonic_us() < until)
		usleep(STEP_US);
	while (next_op(ops))
		ops = next_op(ops);
	ops->mail.next = mailbox_take(&w->queue);
}
