#include "gather.h"

#include <unistd.h>

#include "joblight/base/clock.h"

#define RECENT_US 100000 /* after an answer its worker may still come back */
#define MOMENT_US 600
#define WORTH_OPS 8 /* few ops cost less than the wait, and come from workers that pause anyway */
#define STEP_US 50

uint64_t gather_waiting(struct writer *w, const struct op *rest)
{
	uint64_t count = mailbox_depth(&w->queue);

	for (; rest; rest = next_op(rest))
		count++;
	return count;
}

void gather_expect(struct writer *w, const struct group *g, uint64_t waiting)
{
	w->gather.count = g->shares ? g->count + waiting : 0;
	w->gather.since_us = clock_monotonic_us();
}

void gather_more(struct writer *w, struct op *ops)
{
	uint64_t now = clock_monotonic_us(), until = now + MOMENT_US, count = 1,
	         wanted = w->gather.count;

	if (wanted < WORTH_OPS || now - w->gather.since_us > RECENT_US)
		return;
	wanted = wanted < w->limits.commit_writes ? wanted : w->limits.commit_writes;
	for (; next_op(ops) && ops->kind != OP_REWRITE && count < wanted; count++)
		ops = next_op(ops);
	if (next_op(ops) || ops->kind == OP_REWRITE) /* the group ends before what comes */
		return;
	while (count + mailbox_depth(&w->queue) < wanted && clock_monotonic_us() < until)
		usleep(STEP_US);
	ops->mail.next = mailbox_take(&w->queue);
}
