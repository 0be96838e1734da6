#include "canary.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/canary.h"
#include "loop_private.h"
#include "thread_mail.h"

void canary_init(struct canary *c)
{
	pthread_mutex_init(&c->lock, NULL);
}

void canary_finish(struct canary *c)
{
	pthread_mutex_destroy(&c->lock);
}

/* ---- the verdict ---- */

/* The caller holds the lock. */
static void judge(struct canary *c, bool ok, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void judge(struct canary *c, bool ok, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(c->verdict.reason, sizeof(c->verdict.reason), format, arguments);
	va_end(arguments);
	c->verdict.ok = ok;
	c->flies = false;
}

static void tell_all(struct loops *all)
{
	for (unsigned i = 0; i < all->count; i++)
		if (atomic_exchange(&all->items[i].canary.asked, false))
			thread_mail_post_peer(&all->items[i], PEER_CANARY, NULL, 0, 0);
}

static void answer_asker(struct loop *l, const struct canary_asker *a,
                         const struct canary_verdict *v)
{
	struct conn *c = conn_find(l, a->id);

	if (c && c->state == CONN_BUSY)
		a->answer(c, v);
}

void canary_tell(struct loop *l)
{
	struct canary_watch *w = &l->canary;
	struct canary *shared = &l->loops->canary;

	pthread_mutex_lock(&shared->lock);
	struct canary_verdict v = shared->verdict;
	pthread_mutex_unlock(&shared->lock);
	for (size_t i = 0; i < w->count; i++)
		answer_asker(l, &w->askers[i], &v);
	free(w->askers);
	w->askers = NULL;
	w->count = w->cap = 0;
}

/* ---- its flight ---- */

static void take_off(struct loop *l, uint64_t number)
{
	struct canary *c = &l->loops->canary;
	struct op *op = op_create(OP_CANARY);

	op->canary = number;
	op->loop = l;
	if (l->service->submit(l->service->context, op))
		return;
	op_free(op);
	pthread_mutex_lock(&c->lock);
	judge(c, false, "too many writes are waiting for the database");
	pthread_mutex_unlock(&c->lock);
	tell_all(l->loops);
}

void canary_returned(struct loop *l, struct op *op)
{
	struct canary *c = &l->loops->canary;
	bool failed = outcome_is_error(op->problem.outcome);

	pthread_mutex_lock(&c->lock);
	bool current = c->flies && op->canary == c->number;
	if (current && failed)
		judge(c, false, "the database cannot be written: %s", op->problem.detail);
	else if (current)
		c->committed = true;
	pthread_mutex_unlock(&c->lock);
	op_free(op);
	if (current && failed)
		tell_all(l->loops);
}

static void heard(struct loop *l, uint64_t number)
{
	struct canary *c = &l->loops->canary;

	pthread_mutex_lock(&c->lock);
	bool back = c->flies && number == c->number && ++c->heard == l->loops->count;
	if (back)
		judge(c, true, "ok");
	pthread_mutex_unlock(&c->lock);
	if (back)
		tell_all(l->loops);
}

void canary_tick(struct loop *l)
{
	struct canary *c = &l->loops->canary;

	if (!l->canary.count)
		return;
	pthread_mutex_lock(&c->lock);
	bool lost = c->flies && clock_monotonic_ms() - c->sent_ms >= CANARY_DEADLINE_MS;
	if (lost && c->committed)
		judge(c, false, "a write was committed and reached %u of %u loops within %d ms",
		      c->heard, l->loops->count, CANARY_DEADLINE_MS);
	else if (lost)
		judge(c, false, "the database has not committed a write within %d ms",
		      CANARY_DEADLINE_MS);
	pthread_mutex_unlock(&c->lock);
	if (lost)
		tell_all(l->loops);
}

/* ---- asking ---- */

static void wait_for_verdict(struct canary_watch *w, uint64_t id, canary_answer *answer)
{
	if (w->count == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 8;
		w->askers = xrealloc(w->askers, w->cap * sizeof(*w->askers));
	}
	w->askers[w->count++] = (struct canary_asker){ id, answer };
	atomic_store(&w->asked, true);
}

void canary_ask(struct conn *asker, canary_answer *answer)
{
	struct loop *l = asker->loop;
	struct canary *c = &l->loops->canary;
	struct canary_verdict verdict;
	uint64_t now = clock_monotonic_ms(), number = 0;

	pthread_mutex_lock(&c->lock);
	bool known = c->number && !c->flies && now - c->sent_ms < CANARY_MS;
	if (known) {
		verdict = c->verdict;
	} else {
		wait_for_verdict(&l->canary, asker->id, answer);
		if (!c->flies) {
			number = ++c->number;
			c->sent_ms = now;
			c->flies = true;
			c->committed = false;
			c->heard = 0;
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (known)
		answer(asker, &verdict);
	else if (number)
		take_off(l, number);
}

/* ---- the subscriber ---- */

static void on_opened(struct subscriber *s, const struct subscription_start *o)
{
	(void)s, (void)o; /* at the end of an empty log */
}

static void on_ready(struct subscriber *s)
{
	struct canary_watch *w = container_of(s, struct canary_watch, subscriber);
	uint64_t head = subscriber_head(s);

	subscriber_skip_to(s, head);
	heard(w->loop, head);
}

static const struct subscriber_ops canary_ops = { .opened = on_opened, .ready = on_ready };

void canary_watch_start(struct loop *l)
{
	struct attach a = { .job_id = CANARY_JOB,
		            .position = { .kind = POSITION_CURSOR, .epoch = CANARY_EPOCH },
		            .types = TYPE_BITS_ALL };

	l->canary.loop = l;
	hub_open_log(l->hub, CANARY_JOB, CANARY_EPOCH);
	hub_attach(l->hub, &l->canary.subscriber, &canary_ops, &a);
}

void canary_watch_finish(struct loop *l)
{
	hub_detach(l->hub, &l->canary.subscriber);
	free(l->canary.askers);
}
