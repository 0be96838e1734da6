#include "joblight/work/writer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/canary.h"
#include "joblight/core/engine.h"
#include "joblight/core/metric.h"
#include "joblight/core/timeline.h"
#include "audit.h"
#include "chores.h"
#include "doubts.h"
#include "rewrite.h"
#include "trouble.h"

#define CONFLICTS_MAX 5   /* so often is an op run again that collides with those of other nodes */
#define ANSWERED_COUNT 64 /* answered writes that are remembered for the log */
#define ANSWERED_MS                                                                                \
	2000 /* an idle server checks the files every second, and the answer may be as old again   \
	      */

/* A write that was answered with success. */
struct answered {
	char job_id[ID_MAX + 1];
	uint64_t seq, at;
};

struct writer {
	struct store *store;
	struct limits limits;                 /* its own, which its engine and chores point to */
	_Atomic(struct limits *) next_limits; /* NULL, or what limits are to become */
	struct engine *engine;
	struct mailbox queue;
	writer_deliver *deliver;
	void *context;
	pthread_t thread;
	struct chores *chores;
	struct trouble trouble; /* of transactions */
	bool failing;           /* the last one has failed */
	struct doubts doubts;
	struct timeline timeline;
	struct answered answered[ANSWERED_COUNT]; /* the last ones, as a ring */
	size_t answered_at;
	bool answers_logged; /* since the store broke */
	_Atomic(uint64_t) turned_ms;
};

static struct op *first_op(struct mail *mail)
{
	return (struct op *)mail; /* mail is the first member */
}

static struct op *next_op(const struct op *op)
{
	return first_op(op->mail.next);
}

/* Splits the list after `max` ops, or before one that rewrites the database; returns the rest. */
static struct op *split(struct op *ops, uint64_t max)
{
	while (--max && next_op(ops) && next_op(ops)->kind != OP_REWRITE)
		ops = next_op(ops);
	struct op *rest = next_op(ops);
	ops->mail.next = NULL;
	return rest;
}

static void remember_answers(struct writer *w, const struct op *ops)
{
	uint64_t now = clock_monotonic_ms();

	for (; ops; ops = next_op(ops)) {
		if (outcome_is_error(ops->problem.outcome) || ops->replayed ||
		    ops->kind == OP_CANARY)
			continue;
		struct answered *a = &w->answered[w->answered_at++ % ANSWERED_COUNT];
		memcpy(a->job_id, ops->job_id, sizeof a->job_id);
		a->seq = ops->seq_last;
		a->at = now;
	}
}

/* When the file is gone, the last answered writes may have gone with it. */
static void log_recent_answers(struct writer *w)
{
	if (w->answers_logged)
		return;
	w->answers_logged = true;
	uint64_t now = clock_monotonic_ms();
	struct buf text = { 0 };

	for (size_t i = 0; i < ANSWERED_COUNT; i++) {
		const struct answered *a = &w->answered[(w->answered_at + i) % ANSWERED_COUNT];
		if (a->at && now - a->at <= ANSWERED_MS)
			buf_format(&text, "%s%s:%llu", text.len ? " " : "", a->job_id,
			           (unsigned long long)a->seq);
	}
	log_error("these writes were answered within the last two seconds and may be lost",
	          "job:seq", text.len ? buf_string(&text) : "none");
	buf_finish(&text);
}

static void update_health(struct writer *w, enum store_result r)
{
	if (r == STORE_BROKEN)
		log_recent_answers(w);
	if (r == STORE_OK)
		w->answers_logged = false;
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

static enum store_result run_transaction(struct writer *w, struct op *ops, struct batch **batch)
{
	bool trusted;
	int64_t wall = chores_wall_ms(w->chores, &trusted);
	enum store_result r = engine_begin(
	    w->engine, wall, timeline_steady(&w->timeline, (int64_t)clock_monotonic_ms()), trusted);

	if (r != STORE_OK)
		return r;
	r = engine_expect(w->engine, ops);
	for (struct op *op = ops; op && r == STORE_OK; op = next_op(op))
		r = engine_apply(w->engine, op);
	if (r == STORE_OK)
		return engine_commit(w->engine, batch);
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
static uint64_t observe_waits(const struct op *ops, uint64_t now)
{
	uint64_t oldest = now, count = 0;

	for (; ops; ops = next_op(ops), count++) {
		if (!ops->submitted_us)
			continue;
		oldest = ops->submitted_us < oldest ? ops->submitted_us : oldest;
		metric_observe_since(METRIC_MAILBOX_WAIT + LABEL_WAIT_WRITES * METRIC_TIMES_CELLS,
		                     ops->submitted_us, now);
	}
	metric_observe_size(METRIC_COMMIT_SIZE, count);
	return oldest;
}

static void observe_commit(const struct batch *b, uint64_t took_us)
{
	metric_observe_us(METRIC_COMMIT_TIME, took_us);
	for (size_t i = 0; i < b->count; i++)
		if (!b->events[i].deleted && !canary_has_name(b->events[i].job_id))
			metric_count(METRIC_EVENTS + b->events[i].type);
}

/* After another node was faster.  A single op is not given up at once. */
static enum store_result run_again(struct writer *w, struct op *ops, unsigned times,
                                   struct batch **batch)
{
	enum store_result r = STORE_CONFLICT;

	while (r == STORE_CONFLICT && times--) {
		for (struct op *op = ops; op; op = next_op(op))
			engine_reset(op);
		r = run_transaction(w, ops, batch);
	}
	return r;
}

/* NULL: the transaction failed.  With `*conflict`: it was not tried as often as it could be,
 * because it is better run in parts. */
static struct batch *commit(struct writer *w, struct op *ops, bool *conflict)
{
	struct batch *batch = NULL;
	uint64_t began = clock_monotonic_us(), oldest = observe_waits(ops, began);
	enum store_result r = run_transaction(w, ops, &batch);

	if (r == STORE_CONFLICT && w->store->stale)
		r = run_again(w, ops, 1, &batch);
	*conflict = r == STORE_CONFLICT && next_op(ops);
	if (*conflict)
		return NULL;
	if (r == STORE_CONFLICT)
		r = run_again(w, ops, CONFLICTS_MAX, &batch);
	update_health(w, r);
	if (r != STORE_OK && w->store->in_doubt)
		doubts_add(&w->doubts, ops);
	uint64_t now = clock_monotonic_us();
	if (batch) {
		batch->committed_us = now;
		batch->submitted_us = oldest;
		observe_commit(batch, now - began);
	}
	chores_written(w->chores, batch ? rows_of(ops) : 0, now - began);
	return batch;
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
	return split(ops, (count + 1) / 2);
}

/* Commits the ops, and then publishes their events with the answers. */
static void commit_and_answer(struct writer *w, struct op *ops)
{
	bool conflict;
	struct batch *batch = commit(w, ops, &conflict);

	if (conflict) {
		struct op *rest = halve(ops);
		commit_and_answer(w, ops);
		commit_and_answer(w, rest);
		return;
	}
	if (!batch)
		refuse_all(w, ops);
	else
		remember_answers(w, ops);
	if (batch)
		note_commit(ops);
	for (const struct op *op = batch ? ops : NULL; op; op = next_op(op))
		audit_op(op);
	w->deliver(w->context, batch, ops);
	batch_release(batch);
}

static void join(struct op *ops, struct op *rest)
{
	while (next_op(ops))
		ops = next_op(ops);
	ops->mail.next = &rest->mail;
}

/* Commits and publishes the ops of a chore, which no client waits for. */
static bool commit_chore(void *context, struct op *ops)
{
	struct writer *w = context;
	bool conflict;
	struct batch *batch = commit(w, ops, &conflict);

	if (conflict) {
		struct op *rest = halve(ops);
		bool first = commit_chore(w, ops), second = commit_chore(w, rest);
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

/* What was committed unnoticed is told as soon as the store can be asked. */
static void settle_doubts(struct writer *w)
{
	struct batch *heads = w->doubts.count ? doubts_settle(&w->doubts, w->store) : NULL;

	if (heads)
		w->deliver(w->context, heads, NULL);
	batch_release(heads);
}

static uint64_t rest_ms(const struct writer *w)
{
	uint64_t rest = chores_rest_ms(w->chores), due = trouble_due(&w->trouble),
	         now = clock_monotonic_ms();

	if (due == UINT64_MAX)
		return rest;
	due = due > now ? due - now : 0;
	return due < rest ? due : rest;
}

/*
 * Chores run after each transaction; otherwise the next transaction would always come first under
 * load.
 */
static void write_all(struct writer *w, struct op *ops)
{
	while (ops) {
		atomic_store(&w->turned_ms, clock_monotonic_ms());
		if (ops->kind == OP_REWRITE) {
			ops = rewrite_run(&(struct rewrite){ w->store, &w->queue, w->deliver,
			                                     w->context, &w->turned_ms },
			                  ops);
			continue;
		}
		struct op *rest = split(ops, w->limits.commit_writes);
		commit_and_answer(w, ops);
		ops = rest;
		chores_run(w->chores, ops || !mailbox_is_empty(&w->queue));
	}
}

static void take_limits(struct writer *w)
{
	struct limits *next = atomic_exchange(&w->next_limits, NULL);

	if (!next)
		return;
	limits_take_live(&w->limits, next);
	chores_limits_changed(w->chores);
	free(next);
}

static void *run(void *context)
{
	struct writer *w = context;

	for (;;) {
		atomic_store(&w->turned_ms, clock_monotonic_ms());
		struct op *ops = first_op(mailbox_wait(&w->queue, rest_ms(w)));
		take_limits(w);
		if (!ops && mailbox_is_closed(&w->queue))
			return NULL;
		write_all(w, ops);
		if (!ops)
			chores_run(w->chores, false);
		settle_doubts(w);
		if (chores_found_broken(w->chores))
			log_recent_answers(w);
		if (trouble_due(&w->trouble) <= clock_monotonic_ms())
			trouble_passed(&w->trouble, clock_monotonic_ms());
	}
}

struct writer *writer_start(struct store *store, const struct limits *limits,
                            writer_deliver *deliver, void *context)
{
	struct writer *w = xcalloc(1, sizeof(*w));

	w->store = store;
	w->limits = *limits;
	atomic_init(&w->next_limits, NULL);
	atomic_init(&w->turned_ms, clock_monotonic_ms());
	w->deliver = deliver;
	w->context = context;
	w->trouble.begins = "the store does not take writes; they are answered 503 until it does";
	w->trouble.ends = "the store takes writes again";
	w->engine = engine_create(store, &w->limits, random_bytes);
	w->chores = chores_create(store, &w->limits, &w->timeline, commit_chore, w);
	chores_start_timeline(store, &w->timeline);
	mailbox_init(&w->queue, limits->queued_writes, NULL, NULL);
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		log_error("no thread for the store can be started");
		log_stop(LOG_STOP_MS);
		abort();
	}
	pthread_setname_np(w->thread, "store");
	return w;
}

void writer_set_issuer(struct writer *w)
{
	engine_set_issuer(w->engine);
}

void writer_set_first_key(struct writer *w, struct credential *key)
{
	engine_set_first_key(w->engine, key);
}

bool writer_submit(struct writer *w, struct op *op)
{
	return mailbox_post(&w->queue, &op->mail);
}

uint64_t writer_turned_ms(const struct writer *w)
{
	return atomic_load(&w->turned_ms);
}

void writer_set_limits(struct writer *w, const struct limits *limits)
{
	struct limits *next = xcalloc(1, sizeof(*next));

	*next = *limits;
	free(atomic_exchange(&w->next_limits, next));
}

void writer_measure(void *writer, struct metric_values *v)
{
	struct writer *w = writer;

	v->cells[METRIC_MAILBOX_DEPTH + LABEL_MAILBOX_WRITES] += mailbox_depth(&w->queue);
	v->cells[METRIC_MAX_WRITES] += w->limits.queued_writes;
}

void writer_stop(struct writer *w)
{
	mailbox_close(&w->queue);
	pthread_join(w->thread, NULL);
	chores_log_counts(w->chores);
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	chores_free(w->chores);
	engine_free(w->engine);
	doubts_finish(&w->doubts);
	free(atomic_load(&w->next_limits));
	mailbox_finish(&w->queue);
	free(w);
}
