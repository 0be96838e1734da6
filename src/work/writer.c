#include "joblight/work/writer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/random.h"
#include "joblight/base/thread.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/metric.h"
#include "gather.h"
#include "next_group.h"
#include "rewrite.h"

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

static void take_limits(struct writer *w)
{
	struct limits *next = atomic_exchange(&w->next_limits, NULL);

	if (!next)
		return;
	limits_take_live(&w->limits, next);
	chores_limits_changed(w->chores);
	free(next);
}

/* Those that are under way, the oldest first. */
struct sent_groups {
	struct group groups[STORE_SENT_MAX];
	size_t count;
};

static void answer_oldest(struct writer *w, struct sent_groups *sent, const struct op *rest)
{
	struct group oldest = sent->groups[0];

	memmove(&sent->groups[0], &sent->groups[1], (STORE_SENT_MAX - 1) * sizeof(oldest));
	sent->count--;
	atomic_store(&w->turned_ms, clock_monotonic_ms());
	uint64_t waiting = gather_waiting(w, rest);
	group_answer(w, &oldest);
	gather_expect(w, &oldest, waiting);
}

/* The oldest has failed, and all that has seen what it would have written is run again. */
static void give_up(struct writer *w, struct sent_groups *sent, struct next_group *next)
{
	for (size_t i = 1; i < sent->count; i++)
		group_finish(w, &sent->groups[i], UINT64_MAX, -1);
	next_group_abandon(w, next);
	while (sent->count)
		answer_oldest(w, sent, next->rest);
}

/* Commits and answers the ops, and those that come meanwhile, until none comes.  Returns those that
 * are left. */
static struct op *write_groups(struct writer *w, struct op *ops, struct op *rest)
{
	struct sent_groups sent = { .count = 1 };
	struct next_group next = { .rest = rest };
	bool ok = group_send(w, &sent.groups[0], ops);

	while (sent.count && ok) {
		atomic_store(&w->turned_ms, clock_monotonic_ms());
		take_limits(w);
		bool ended = next_group_prepare(w, &next, &sent.groups[0]);
		ok = sent.groups[0].result == STORE_OK;
		if (ok && (!ended || sent.count == 1))
			sent.count += next_group_send(w, &next, &sent.groups[sent.count]);
		if (ok && ended)
			answer_oldest(w, &sent, next.rest);
	}
	if (!ok)
		give_up(w, &sent, &next);
	return next.rest;
}

/* After each chain of transactions; otherwise the next one would always come first under load. */
static void do_the_rest(struct writer *w, bool busy)
{
	chores_run(w->chores, busy);
	settle_doubts(w);
	if (chores_found_broken(w->chores))
		answered_log(&w->answered);
	if (trouble_due(&w->trouble) <= clock_monotonic_ms())
		trouble_passed(&w->trouble, clock_monotonic_ms());
}

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
		gather_more(w, ops);
		struct op *rest = group_split(ops, w->limits.commit_writes);
		if (w->wake_fd >= 0) {
			ops = write_groups(w, ops, rest);
		} else {
			group_write(w, ops);
			ops = rest;
		}
		do_the_rest(w, ops || !mailbox_is_empty(&w->queue));
	}
}

static void *run(void *context)
{
	struct writer *w = context;

	for (;;) {
		atomic_store(&w->turned_ms, clock_monotonic_ms());
		struct op *ops = first_op(mailbox_wait(&w->queue, rest_ms(w)));
		take_limits(w);
		if (!ops && mailbox_is_closed(&w->queue)) /* nothing can come any more */
			ops = first_op(mailbox_take(&w->queue));
		if (!ops && mailbox_is_closed(&w->queue))
			return NULL;
		if (ops)
			write_all(w, ops);
		else
			do_the_rest(w, false);
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
	w->chores = chores_create(store, &w->limits, &w->timeline, group_write_chore, w);
	chores_start_timeline(store, &w->timeline);
	w->wake_fd = store->ops->commit_start ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
	atomic_init(&w->listens, false);
	mailbox_init(&w->queue, limits->queued_writes, w->wake_fd >= 0 ? next_group_wake : NULL, w);
	thread_start(&w->thread, "store", run, w);
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
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	free(w);
}
