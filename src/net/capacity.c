#include "capacity.h"

#include "loop_private.h"
#include "quota.h"

#define ANSWERED_MAX                                                                               \
	64 /* connections over the limit that get an answer; further ones are closed without one   \
	    */
#define ANSWERED_SHARE 19 /* or limit / 19, if that is less */

const struct problem capacity_stopping = {
	.outcome = OUTCOME_STOPPING,
	.detail = "the server is stopping; try again in a moment",
};

static uint64_t answered_max(const struct limits *limits)
{
	uint64_t share = limits->connections / ANSWERED_SHARE;

	return share < ANSWERED_MAX ? share : ANSWERED_MAX;
}

enum capacity capacity_enter(struct loop *l)
{
	size_t before = atomic_fetch_add(&l->loops->connections, 1);

	if (before < l->limits->connections)
		return CAPACITY_FREE;
	metric_count(METRIC_REFUSALS + LABEL_REASON_CONNECTIONS);
	return before < l->limits->connections + answered_max(l->limits) ? CAPACITY_FULL
	                                                                 : CAPACITY_EXCESS;
}

void capacity_leave(struct loop *l)
{
	atomic_fetch_sub(&l->loops->connections, 1);
}

enum stream_room capacity_count_stream(struct conn *c, struct problem *problem)
{
	struct loops *loops = c->loop->loops;

	if (c->counted)
		return STREAM_COUNTED;
	if (atomic_fetch_add(&loops->streams, 1) >= c->loop->limits->streams) {
		atomic_fetch_sub(&loops->streams, 1);
		return STREAMS_FULL;
	}
	if (!quota_count_stream(c, problem)) {
		atomic_fetch_sub(&loops->streams, 1);
		return STREAMS_OF_CLIENT_FULL;
	}
	c->counted = true;
	return STREAM_COUNTED;
}

void capacity_uncount_stream(struct conn *c)
{
	if (!c->counted)
		return;
	atomic_fetch_sub(&c->loop->loops->streams, 1);
	quota_uncount_stream(c);
	c->counted = false;
}

bool capacity_takes_stream(struct conn *c, struct problem *problem)
{
	struct loop *l = c->loop;

	if (l->stopping)
		return problem_set(problem, capacity_stopping.outcome, "%s",
		                   capacity_stopping.detail);
	if (memory_is_short(&l->loops->memory, loop_now(l))) {
		metric_count(METRIC_REFUSALS + LABEL_REASON_MEMORY);
		return problem_set(problem, OUTCOME_OVERLOADED,
		                   "the server's memory is full; try again later");
	}
	enum stream_room room = capacity_count_stream(c, problem);
	if (room != STREAMS_FULL)
		return room == STREAM_COUNTED;
	metric_count(METRIC_REFUSALS + LABEL_REASON_STREAMS);
	return problem_set(problem, OUTCOME_OVERLOADED,
	                   "the server has the maximum number of streams; try again in a moment");
}
