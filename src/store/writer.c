#include "joblight/store/writer.h"

#include <stdlib.h>
#include <string.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/engine.h"

#define LOOK_MS 250        /* it looks for silent tasks this often, at least */
#define LOOK_AHEAD_MS 5000 /* and this often, when nothing is written and no task is due within it */
#define PRUNE_MS 1000      /* a step of pruning this often, while there is something to prune */
#define PRUNE_REST_MS 60000 /* and at least this often when there is not */
#define PRUNE_BUDGET 500   /* rows in one step, so that a step costs a few milliseconds */

struct writer {
	struct store *store;
	const struct limits *limits;
	struct engine *engine;
	struct mailbox inbox;
	writer_deliver *deliver;
	void *context;
	pthread_t thread;
	uint64_t prune_due, prune_rest_ms;
	uint64_t look_due, look_ms;
	bool failing; /* the last transaction did; logged once */
};

static struct op *first_op(struct mail *mail)
{
	return (struct op *)mail; /* mail is its first member */
}

static struct op *next_op(const struct op *op)
{
	return first_op(op->mail.next);
}

/* Cuts the list behind at most `most` ops; the rest is returned. */
static struct op *split(struct op *ops, uint64_t most)
{
	while (--most && next_op(ops))
		ops = next_op(ops);
	struct op *rest = next_op(ops);
	ops->mail.next = NULL;
	return rest;
}

static void note_health(struct writer *w, enum store_result r)
{
	bool failing = r != STORE_OK;

	if (failing && !w->failing)
		log_error("the store does not take writes; they are answered 503 until it does", "cause",
			  store_error(w->store));
	if (!failing && w->failing)
		log_info("the store takes writes again");
	w->failing = failing;
}

static enum store_result run_transaction(struct writer *w, struct op *ops, struct batch **batch)
{
	enum store_result r = engine_begin(w->engine, clock_wall_ms());

	if (r != STORE_OK)
		return r;
	for (struct op *op = ops; op; op = next_op(op)) {
		r = engine_apply(w->engine, op);
		if (r != STORE_OK) {
			engine_rollback(w->engine);
			return r;
		}
	}
	return engine_commit(w->engine, batch);
}

/* What was written may be silent soon, and push something out. */
static void come_back_by(struct writer *w)
{
	uint64_t now = clock_monotonic_ms();

	if (now + w->look_ms < w->look_due)
		w->look_due = now + w->look_ms;
	if (now + PRUNE_MS < w->prune_due)
		w->prune_due = now + PRUNE_MS;
}

/* NULL: the transaction failed. */
static struct batch *commit(struct writer *w, struct op *ops)
{
	struct batch *batch = NULL;

	note_health(w, run_transaction(w, ops, &batch));
	come_back_by(w);
	return batch;
}

/* Commit, then broadcast, then answer. */
static void writer_hand_out(struct writer *w, struct op *ops)
{
	struct batch *batch = commit(w, ops);

	if (!batch)
		for (struct op *op = ops; op; op = next_op(op))
			engine_refuse(w->engine, op);
	w->deliver(w->context, batch, ops);
	batch_release(batch);
}

/* Tasks that were silent for too long. */

struct silence {
	struct op *first, **tail;
	uint64_t count;
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

/* Whether one is due soon decides when to look again. */
static void find_silence(struct writer *w, struct silence *silence)
{
	const struct store_ops *ops = w->store->ops;
	int64_t now = clock_wall_ms();
	bool soon = false;

	if (ops->begin(w->store) != STORE_OK)
		return;
	enum store_result r = ops->stalled(w->store, now, w->limits->commit_writes, add_stall, silence);
	if (r == STORE_NONE && ops->stalled(w->store, now + LOOK_AHEAD_MS, 1, is_one, &soon) == STORE_NONE && !soon)
		w->look_due = clock_monotonic_ms() + LOOK_AHEAD_MS;
	ops->rollback(w->store); /* it was only read */
}

/* One transaction of it, which nobody waits for; true when there may be more. */
static bool tell_silence(struct writer *w)
{
	struct silence silence = { .tail = &silence.first };

	find_silence(w, &silence);
	if (!silence.first)
		return false;
	struct batch *batch = commit(w, silence.first);
	bool more = batch && silence.count == w->limits->commit_writes;
	if (batch)
		w->deliver(w->context, batch, NULL);
	batch_release(batch);
	for (struct op *op = silence.first, *next; op; op = next) {
		next = next_op(op);
		op_free(op);
	}
	return more;
}

static void look_for_silence(struct writer *w)
{
	uint64_t now = clock_monotonic_ms();

	if (now < w->look_due)
		return;
	w->look_due = now + w->look_ms;
	while (tell_silence(w) && mailbox_is_empty(&w->inbox))
		;
}

/* One step in a transaction of its own; true when there may be more. */
static bool prune_step(struct writer *w, int64_t wall)
{
	const struct store_ops *ops = w->store->ops;
	const struct limits *limits = w->limits;

	if (ops->begin(w->store) != STORE_OK)
		return false;
	enum store_result r = ops->prune(w->store, wall - (int64_t)limits->idempotency_ms,
					 wall - (int64_t)limits->retention_ms, limits->retention_events, PRUNE_BUDGET);
	if (r == STORE_OK)
		return ops->commit(w->store) == STORE_OK;
	ops->rollback(w->store); /* nothing to do, or it is tried again in a while */
	return false;
}

/* Step by step, for as long as nobody waits. */
static void prune(struct writer *w)
{
	uint64_t now = clock_monotonic_ms();

	if (now < w->prune_due)
		return;
	w->prune_due = now + w->prune_rest_ms;
	while (prune_step(w, clock_wall_ms()))
		if (!mailbox_is_empty(&w->inbox)) {
			w->prune_due = now + PRUNE_MS;
			return;
		}
}

static void checkpoint(struct writer *w)
{
	enum store_result r = w->store->ops->checkpoint(w->store);

	if (r != STORE_OK && r != STORE_NONE)
		log_warn("the write-ahead log could not be copied into the database; it is tried again", "cause",
			 store_error(w->store));
}

static uint64_t rest_ms(const struct writer *w)
{
	uint64_t now = clock_monotonic_ms(), due = w->look_due < w->prune_due ? w->look_due : w->prune_due;

	return due > now ? due - now : 0;
}

static void *run(void *context)
{
	struct writer *w = context;

	for (;;) {
		struct op *ops = first_op(mailbox_wait(&w->inbox, rest_ms(w)));
		if (!ops && mailbox_is_closed(&w->inbox))
			return NULL;
		while (ops) {
			struct op *rest = split(ops, w->limits->commit_writes);
			writer_hand_out(w, ops);
			ops = rest;
		}
		look_for_silence(w);
		checkpoint(w);
		prune(w);
	}
}

/* A quarter of the shortest silence that counts, so that none is noticed late by more. */
static uint64_t look_ms(const struct limits *limits)
{
	uint64_t quarter = limits->least_heartbeat_timeout_ms / 4;

	return quarter < 10 ? 10 : quarter > LOOK_MS ? LOOK_MS : quarter;
}

/* A tenth of the shortest time that something is kept. */
static uint64_t prune_rest_ms(const struct limits *limits)
{
	uint64_t shortest = limits->retention_ms;

	if (limits->idempotency_ms < shortest)
		shortest = limits->idempotency_ms;
	uint64_t tenth = shortest / 10;
	return tenth < PRUNE_MS ? PRUNE_MS : tenth > PRUNE_REST_MS ? PRUNE_REST_MS : tenth;
}

struct writer *writer_start(struct store *store, const struct limits *limits, writer_deliver *deliver, void *context)
{
	struct writer *w = xcalloc(1, sizeof(*w));

	w->store = store;
	w->limits = limits;
	w->deliver = deliver;
	w->context = context;
	w->look_ms = look_ms(limits);
	w->prune_rest_ms = prune_rest_ms(limits);
	w->engine = engine_create(store, limits, random_bytes);
	mailbox_init(&w->inbox, limits->queued_writes, NULL, NULL);
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		log_error("no thread for the store can be started");
		abort();
	}
	pthread_setname_np(w->thread, "store");
	return w;
}

bool writer_submit(struct writer *w, struct op *op)
{
	return mailbox_post(&w->inbox, &op->mail);
}

void writer_stop(struct writer *w)
{
	mailbox_close(&w->inbox);
	pthread_join(w->thread, NULL);
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	engine_free(w->engine);
	mailbox_finish(&w->inbox);
	free(w);
}
