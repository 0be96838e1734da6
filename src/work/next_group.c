#include "next_group.h"

#include <sys/eventfd.h>

#define LOOK_US 150 /* ops that come within such a time are taken together */

static void append(struct next_group *n, struct op *op)
{
	if (n->last)
		n->last->mail.next = &op->mail;
	else
		n->ops = op;
	n->last = op;
	n->count++;
}

/* False: the store cannot have the rows of the op yet, so that the group ends before it. */
static bool apply_early(struct writer *w, struct next_group *n, struct op *op)
{
	enum store_result r = engine_expect_early(w->engine, op);

	if (r == STORE_EARLY)
		return false;
	n->failure = r == STORE_OK ? engine_apply(w->engine, op) : r;
	return true;
}

static void take_next(struct writer *w, struct next_group *n)
{
	struct op *op = n->rest;
	struct mail *after = op->mail.next;

	op->mail.next = NULL;
	n->closed = !apply_early(w, n, op);
	if (n->closed)
		op->mail.next = after;
	else
		append(n, op);
	n->rest = n->closed ? op : first_op(after);
	n->closed |= n->failure != STORE_OK;
}

static void open_next(struct writer *w, struct next_group *n)
{
	n->failure = group_begin_transaction(w);
	n->open = n->failure == STORE_OK;
	n->closed = !n->open;
}

/* Applies what waits. */
static void prepare(struct writer *w, struct next_group *n)
{
	if (!n->rest && !n->closed)
		n->rest = first_op(mailbox_take(&w->queue));
	if (n->rest && !n->open && !n->closed)
		open_next(w, n);
	else if (n->open && !group_set_time(w))
		n->closed = true;
	while (n->rest && !n->closed && n->count < w->limits.commit_writes &&
	       n->rest->kind != OP_REWRITE)
		take_next(w, n);
	n->closed |= n->rest != NULL;
}

void next_group_wake(void *context)
{
	struct writer *w = context;

	if (atomic_load(&w->listens))
		eventfd_write(w->wake_fd, 1);
}

/* Until the transaction that was sent has ended, or more ops wait.  False: they do. */
static bool finish_or_wake(struct writer *w, const struct next_group *n, enum store_result *r)
{
	eventfd_t count;

	if (n->closed)
		return engine_finish(w->engine, UINT64_MAX, -1, r);
	atomic_store(&w->listens, true);
	bool ended = engine_finish(w->engine, mailbox_is_empty(&w->queue) ? UINT64_MAX : 0,
	                           w->wake_fd, r);
	atomic_store(&w->listens, false);
	eventfd_read(w->wake_fd, &count);
	return ended;
}

enum store_result next_group_prepare(struct writer *w, struct next_group *n)
{
	enum store_result r;

	/* A group that has written nothing has ended already, and was not answered yet. */
	if (engine_finish(w->engine, 0, -1, &r))
		return r;
	/* Chores and what was in doubt come before it, or they would never. */
	n->closed = chores_rest_ms(w->chores) == 0 || w->doubts.count ||
	            engine_is_importing(w->engine);
	prepare(w, n);
	while (!engine_finish(w->engine, LOOK_US, -1, &r) && !finish_or_wake(w, n, &r))
		prepare(w, n);
	return r;
}

struct op *next_group_abandon(struct writer *w, struct next_group *n)
{
	if (n->open)
		engine_rollback(w->engine);
	for (struct op *op = n->ops; op; op = next_op(op))
		engine_reset(op);
	if (!n->ops)
		return n->rest;
	n->last->mail.next = n->rest ? &n->rest->mail : NULL;
	return n->ops;
}

bool next_group_send(struct writer *w, struct next_group *n, struct group *g)
{
	if (n->open) /* otherwise the store may wait for rows, and the answers of the others too */
		prepare(w, n);
	if (n->ops && n->failure == STORE_OK) {
		group_begin(g, n->ops);
		n->open = false;
		if (engine_send(w->engine, &g->batch) == STORE_OK)
			return true;
	}
	n->rest = next_group_abandon(w, n);
	return false;
}
