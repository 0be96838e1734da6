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
static bool finish_or_wake(struct writer *w, const struct next_group *n, struct group *sent)
{
	eventfd_t count;

	if (n->closed)
		return group_finish(w, sent, UINT64_MAX, -1);
	atomic_store(&w->listens, true);
	bool ended = group_finish(w, sent, mailbox_is_empty(&w->queue) ? UINT64_MAX : 0,
	                          w->wake_fd);
	atomic_store(&w->listens, false);
	eventfd_read(w->wake_fd, &count);
	return ended;
}

/* A small group costs more for each op.  Those under way make the next one large, but workers are
 * not evenly distributed over groups, so it need not be quite as large as they are. */
static bool is_to_be_sent(const struct writer *w, const struct next_group *n,
                          const struct group *sent)
{
	return n->open && n->failure == STORE_OK && n->count * 4 >= sent->count * 3 &&
	       engine_may_send(w->engine);
}

/* What has come meanwhile is taken too.  Without a transaction the store might wait for rows, and
 * the answers of `sent` with it. */
static bool take_last(struct writer *w, struct next_group *n, const struct group *sent)
{
	if (n->open && sent->result == STORE_OK)
		prepare(w, n);
	return true;
}

bool next_group_prepare(struct writer *w, struct next_group *n, struct group *sent)
{
	/* A group that has written nothing has ended already, and was not answered yet. */
	if (group_finish(w, sent, 0, -1))
		return take_last(w, n, sent);
	/* Chores and what was in doubt come before it, or they would never. */
	n->closed |= chores_rest_ms(w->chores) == 0 || w->doubts.count ||
	             engine_is_importing(w->engine);
	prepare(w, n);
	while (!is_to_be_sent(w, n, sent)) {
		if (group_finish(w, sent, LOOK_US, -1) || finish_or_wake(w, n, sent))
			return take_last(w, n, sent);
		prepare(w, n);
	}
	return false;
}

void next_group_abandon(struct writer *w, struct next_group *n)
{
	if (n->open)
		engine_rollback(w->engine);
	for (struct op *op = n->ops; op; op = next_op(op))
		engine_reset(op);
	if (n->ops)
		n->last->mail.next = n->rest ? &n->rest->mail : NULL;
	*n = (struct next_group){ .rest = n->ops ? n->ops : n->rest, .closed = true };
}

bool next_group_send(struct writer *w, struct next_group *n, struct group *g)
{
	bool is_sent = false;

	if (n->ops && n->failure == STORE_OK) {
		group_begin(g, n->ops);
		n->open = false; /* what fails is rolled back */
		is_sent = engine_send(w->engine, &g->batch) == STORE_OK;
	}
	if (is_sent)
		*n = (struct next_group){ .rest = n->rest };
	else
		next_group_abandon(w, n);
	return is_sent;
}
