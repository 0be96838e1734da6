#include "group.h"

#include "audit.h"
#include "joblight/base/clock.h"
#include "joblight/core/canary.h"
#include "joblight/core/metric.h"

#define CONFLICTS_MAX 5 /* so often is an op run again that collides with those of other nodes */

struct op *group_split(struct op *ops, uint64_t max)
{
	while (--max && next_op(ops) && next_op(ops)->kind != OP_REWRITE)
		ops = next_op(ops);
	struct op *rest = next_op(ops);
	ops->mail.next = NULL;
	return rest;
}
static void update_health(struct writer *w, enum store_result r)
{
	if (r == STORE_BROKEN)
		answered_log(&w->answered);
	if (r == STORE_OK)
		w->answered.logged = false;
	if (r == STORE_OK)
		trouble_passed(&w->trouble, clock_monotonic_ms());
	else
		trouble_failed(&w->trouble, store_error(w->store), clock_monotonic_ms());
	if (r != STORE_OK)
		metric_count(METRIC_COMMIT_FAILURES);
	if (w->failing != (r != STORE_OK))
		metric_set(METRIC_STORE_FAILING, r != STORE_OK);
	w->failing = r != STORE_OK;
}

struct times {
	int64_t wall, steady;
	bool trusted;
};

static struct times read_clocks(struct writer *w)
{
	struct times now;

	now.wall = chores_wall_ms(w->chores, &now.trusted);
	now.steady = timeline_steady(&w->timeline, (int64_t)clock_monotonic_ms());
	return now;
}

enum store_result group_begin_transaction(struct writer *w)
{
	struct times now = read_clocks(w);

	return engine_begin(w->engine, now.wall, now.steady, now.trusted);
}

bool group_set_time(struct writer *w)
{
	struct times now = read_clocks(w);

	return engine_set_time(w->engine, now.wall, now.steady, now.trusted);
}

/* `end`: engine_commit() or engine_send(). */
static enum store_result run_transaction(struct writer *w, struct op *ops,
                                         enum store_result (*end)(struct engine *, struct batch **),
                                         struct batch **batch)
{
	enum store_result r = group_begin_transaction(w);

	if (r != STORE_OK)
		return r;
	r = engine_expect(w->engine, ops);
	for (struct op *op = ops; op && r == STORE_OK; op = next_op(op))
		r = engine_apply(w->engine, op);
	if (r == STORE_OK)
		return end(w->engine, batch);
	engine_rollback(w->engine);
	return r;
}

/* Roughly the number of rows that the ops wrote: one for each op, its tasks and its events. */
static uint64_t rows_of(const struct op *ops)
{
	uint64_t rows = 0;

	for (; ops; ops = next_op(ops))
		rows += 1 + ops->task_count +
		        (ops->seq_last ? ops->seq_last - ops->seq_first + 1 : 0);
	return rows;
}

/* When the oldest of the ops arrived.  Those of chores arrive now. */
static uint64_t observe_waits(const struct op *ops, uint64_t now, uint64_t *count)
{
	uint64_t oldest = now;

	for (*count = 0; ops; ops = next_op(ops), ++*count) {
		if (!ops->submitted_us)
			continue;
		oldest = ops->submitted_us < oldest ? ops->submitted_us : oldest;
		metric_observe_since(METRIC_MAILBOX_WAIT + LABEL_WAIT_WRITES * METRIC_TIMES_CELLS,
		                     ops->submitted_us, now);
	}
	metric_observe_size(METRIC_COMMIT_SIZE, *count);
	return oldest;
}

static void observe_commit(const struct batch *b, uint64_t took_us)
{
	metric_observe_us(METRIC_COMMIT_TIME, took_us);
	for (size_t i = 0; i < b->count; i++)
		if (!b->events[i].deleted && !canary_has_name(b->events[i].job_id))
			metric_count(METRIC_EVENTS + b->events[i].type);
}

void group_begin(struct group *g, struct op *ops)
{
	uint64_t began = clock_monotonic_us();

	*g = (struct group){ .ops = ops, .began = began };
	g->oldest = observe_waits(ops, began, &g->count);
}

static void note_result(const struct writer *w, struct group *g, enum store_result r)
{
	g->result = r;
	g->stale = w->store->stale;
	g->in_doubt = w->store->in_doubt;
	g->shares |= w->store->shares;
}

/* While another node was faster.  A single op is not given up at once. */
static void run_again(struct writer *w, struct group *g, unsigned times)
{
	while (g->result == STORE_CONFLICT && times--) {
		for (struct op *op = g->ops; op; op = next_op(op))
			engine_reset(op);
		note_result(w, g, run_transaction(w, g->ops, engine_commit, &g->batch));
	}
}

/* After the first attempt.  True: it was not tried as often as it could be, because it is better
 * run in parts. */
static bool end_group(struct writer *w, struct group *g)
{
	if (g->result != STORE_OK) {
		batch_release(g->batch); /* it was sent with it */
		g->batch = NULL;
	}
	if (g->result == STORE_CONFLICT && g->stale)
		run_again(w, g, 1);
	if (g->result == STORE_CONFLICT && next_op(g->ops))
		return true;
	run_again(w, g, CONFLICTS_MAX);
	update_health(w, g->result);
	if (g->result != STORE_OK && g->in_doubt)
		doubts_add(&w->doubts, g->ops);
	uint64_t now = clock_monotonic_us();
	if (g->batch) {
		g->batch->committed_us = now;
		g->batch->submitted_us = g->oldest;
		observe_commit(g->batch, now - g->began);
	}
	chores_written(w->chores, g->batch ? rows_of(g->ops) : 0, now - g->began);
	return false;
}

/* NULL: the transaction failed.  `*conflict`: see end_group(). */
static struct batch *commit(struct writer *w, struct op *ops, bool *conflict)
{
	struct group g;

	group_begin(&g, ops);
	note_result(w, &g, run_transaction(w, ops, engine_commit, &g.batch));
	*conflict = end_group(w, &g);
	return g.batch;
}

bool group_send(struct writer *w, struct group *g, struct op *ops)
{
	group_begin(g, ops);
	note_result(w, g, run_transaction(w, ops, engine_send, &g->batch));
	return g->result == STORE_OK;
}

bool group_finish(struct writer *w, struct group *g, uint64_t wait_us, int wake_fd)
{
	enum store_result r;

	if (!engine_finish(w->engine, wait_us, wake_fd, &r))
		return false;
	note_result(w, g, r);
	return true;
}

/* The cause is for operators, whom a canary tells. */
static void refuse_all(const struct writer *w, struct op *ops)
{
	for (; ops; ops = next_op(ops)) {
		engine_refuse(ops);
		if (ops->kind == OP_CANARY)
			problem_set(&ops->problem, OUTCOME_STORAGE_UNAVAILABLE, "%s",
			            store_error(w->store));
	}
}

/* When what an op has changed was committed.  Reads the clock only if somebody wants to know. */
static void note_commit(struct op *ops)
{
	uint64_t now = 0;

	for (struct op *op = ops; op; op = next_op(op)) {
		if (!op->began_us || op->replayed || outcome_is_error(op->problem.outcome))
			continue;
		now = now ? now : clock_monotonic_us();
		op->committed_us = now;
	}
}

/* One op may be what a transaction fails by, so the others go without it.  Returns the second half.
 */
static struct op *halve(struct op *ops)
{
	uint64_t count = 0;

	for (struct op *op = ops; op; op = next_op(op), count++)
		engine_reset(op);
	return group_split(ops, (count + 1) / 2);
}

static void commit_in_halves(struct writer *w, struct op *ops)
{
	struct op *rest = halve(ops);

	group_write(w, ops);
	group_write(w, rest);
}

/* Publishes the events with the answers. */
static void answer(struct writer *w, struct op *ops, struct batch *batch)
{
	if (!batch)
		refuse_all(w, ops);
	else
		answered_add(&w->answered, ops);
	if (batch)
		note_commit(ops);
	for (const struct op *op = batch ? ops : NULL; op; op = next_op(op))
		audit_op(op);
	w->deliver(w->context, batch, ops);
	batch_release(batch);
}

void group_write(struct writer *w, struct op *ops)
{
	bool conflict;

	atomic_store(&w->turned_ms, clock_monotonic_ms());
	struct batch *batch = commit(w, ops, &conflict);

	if (conflict)
		commit_in_halves(w, ops);
	else
		answer(w, ops, batch);
}

void group_answer(struct writer *w, struct group *g)
{
	if (end_group(w, g))
		commit_in_halves(w, g->ops);
	else
		answer(w, g->ops, g->batch);
}

static void join(struct op *ops, struct op *rest)
{
	while (next_op(ops))
		ops = next_op(ops);
	ops->mail.next = &rest->mail;
}

bool group_write_chore(void *context, struct op *ops)
{
	struct writer *w = context;
	bool conflict;
	struct batch *batch = commit(w, ops, &conflict);

	if (conflict) {
		struct op *rest = halve(ops);
		bool first = group_write_chore(w, ops), second = group_write_chore(w, rest);
		join(ops, rest); /* they are the chore's */
		return first && second;
	}
	if (!batch) /* a chore comes back */
		return false;
	for (const struct op *op = ops; op; op = next_op(op))
		audit_op(op);
	w->deliver(w->context, batch, NULL);
	batch_release(batch);
	return true;
}
