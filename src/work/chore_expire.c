/* Ended jobs are removed as a whole when their time is over. */
#include <stdlib.h>
#include <string.h>

#include "chore.h"

#define PERIOD_MIN_MS 1000
#define PERIOD_MAX_MS 60000
/* Each job is an operation, and the store thread does nothing else until all are done. */
#define JOBS_MAX 64

struct expired {
	struct op *first, **tail;
	int64_t before;
	uint64_t count;
};

static bool add_removal(void *context, const char *job_id)
{
	struct expired *expired = context;
	struct op *op = op_create(OP_JOB_EXPIRE);

	memcpy(op->job_id, job_id, strlen(job_id) + 1);
	*expired->tail = op;
	expired->tail = (struct op **)&op->mail.next;
	expired->count++;
	return true;
}

/* Only reads; returns STORE_NONE, so that nothing is committed. */
static enum store_result find_expired(struct chores *c, void *context)
{
	struct expired *expired = context;
	enum store_result r = c->store->ops->ended_jobs(c->store, expired->before, JOBS_MAX,
	                                                add_removal, expired);

	return r == STORE_OK ? STORE_NONE : r;
}

static void free_ops(struct op *ops)
{
	for (struct op *next; ops; ops = next) {
		next = (struct op *)ops->mail.next;
		op_free(ops);
	}
}

static enum store_result remove_expired(struct chores *c, struct chore_state *state)
{
	struct expired expired = { .tail = &expired.first };
	uint64_t kept_ms = c->limits->job_retention_ms;
	bool trusted;

	expired.before = chores_wall_ms(c, &trusted) - (int64_t)kept_ms;
	state->tried = kept_ms && trusted;
	if (!state->tried)
		return STORE_NONE;
	enum store_result r = chore_transact(c, find_expired, &expired);
	bool removed = expired.first && r == STORE_NONE && c->commit(c->context, expired.first);

	free_ops(expired.first);
	if (r != STORE_NONE)
		return r;
	return removed && expired.count == JOBS_MAX ? STORE_OK : STORE_NONE;
}

/* A tenth of the time that a job is kept. */
static uint64_t period_ms(const struct limits *limits)
{
	uint64_t tenth = limits->job_retention_ms / 10;

	return tenth < PERIOD_MIN_MS   ? PERIOD_MIN_MS
	       : tenth > PERIOD_MAX_MS ? PERIOD_MAX_MS
	                               : tenth;
}

const struct chore chore_expire = {
	.label = LABEL_CHORE_EXPIRE,
	.scope = CHORE_OF_DATABASE,
	.step = remove_expired,
	.period_from = period_ms,
	.after_write_ms = PERIOD_MAX_MS,
	.begins = "ended jobs whose time is over cannot be removed; it is tried again",
	.ends = "ended jobs whose time is over are removed again",
};
