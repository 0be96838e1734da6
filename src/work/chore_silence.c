/* Tasks that were silent for too long get an event that says so. */
#include <stdlib.h>
#include <string.h>

#include "chore.h"

#define PERIOD_MAX_MS 250
#define PERIOD_MIN_MS 10
/* The period while nothing is written and no task is due within it, if no other node writes. */
#define LOOK_AHEAD_MS 5000

struct silence {
	struct op *first, **tail;
	uint64_t count;
	bool soon; /* a task becomes due within LOOK_AHEAD_MS */
};

static bool add_stall(void *context, const char *job_id, const char *task_id)
{
	struct silence *silence = context;
	struct op *op = op_create(OP_STALL);

	memcpy(op->job_id, job_id, strlen(job_id) + 1);
	memcpy(op->task_id, task_id, strlen(task_id) + 1);
	*silence->tail = op;
	silence->tail = (struct op **)&op->mail.next;
	silence->count++;
	return true;
}

static bool is_one(void *context, const char *job_id, const char *task_id)
{
	(void)job_id, (void)task_id;
	*(bool *)context = true;
	return false;
}

/* Only reads; returns STORE_NONE, so that nothing is committed. */
static enum store_result find_silence(struct chores *c, void *context)
{
	const struct store_ops *ops = c->store->ops;
	struct silence *silence = context;
	/* Both ends of a silence are rounded down to milliseconds: one millisecond later it is
	 * certainly long enough. */
	int64_t now = chore_steady_ms(c) - 1;
	enum store_result r = ops->overdue_tasks(c->store, now, c->limits->commit_writes, add_stall,
	                                         silence);

	if (r != STORE_NONE)
		return r == STORE_OK ? STORE_NONE : r;
	r = ops->overdue_tasks(c->store, now + LOOK_AHEAD_MS, 1, is_one, &silence->soon);
	return r == STORE_OK ? STORE_NONE : r;
}

static void free_ops(struct op *ops)
{
	for (struct op *next; ops; ops = next) {
		next = (struct op *)ops->mail.next;
		op_free(ops);
	}
}

static enum store_result report_silence(struct chores *c, struct chore_state *state)
{
	struct silence silence = { .tail = &silence.first };
	enum store_result r = chore_transact(c, find_silence, &silence);
	bool reported = silence.first && r == STORE_NONE && c->commit(c->context, silence.first);

	if (!silence.first && !silence.soon && c->store->ops->exclusive)
		state->rest_ms = LOOK_AHEAD_MS;
	free_ops(silence.first);
	if (r != STORE_NONE)
		return r;
	return reported && silence.count == c->limits->commit_writes ? STORE_OK : STORE_NONE;
}

/* A quarter of the shortest silence limit, so that no silence is noticed later than that. */
static uint64_t period_ms(const struct limits *limits)
{
	uint64_t quarter = limits->min_silence_ms / 4;

	return quarter < PERIOD_MIN_MS   ? PERIOD_MIN_MS
	       : quarter > PERIOD_MAX_MS ? PERIOD_MAX_MS
	                                 : quarter;
}

const struct chore chore_silence = {
	.label = LABEL_CHORE_SILENCE,
	.scope = CHORE_OF_DATABASE,
	.step = report_silence,
	.period_from = period_ms,
	.after_write_ms = PERIOD_MAX_MS,
	.begins = "silent tasks cannot be looked for; it is tried again",
	.ends = "silent tasks are looked for again",
};
