#include "rewrite.h"

#include <inttypes.h>
#include <stdio.h>

#include "audit.h"
#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/core/engine.h"

#define WAIT_MS 1000 /* updates wait for so long before they are refused */
#define LOOK_MS 20   /* how often to look whether it is done */

static struct op *next_op(const struct op *op)
{
	return (struct op *)op->mail.next; /* mail is the first member */
}

static void append(struct op **list, struct op *more)
{
	while (*list)
		list = (struct op **)&(*list)->mail.next;
	*list = more;
}

static void refuse(const struct rewrite *w, struct op *ops)
{
	for (struct op *op = ops; op; op = next_op(op)) {
		engine_refuse(op);
		problem_set(&op->problem, OUTCOME_STORAGE_UNAVAILABLE,
		            "the database is being rewritten; repeat this with the same "
		            "idempotency key");
	}
	if (ops)
		w->deliver(w->context, NULL, ops);
}

/* Waits for the store; *waiting: the ops that have come. */
static enum store_result wait_for_store(const struct rewrite *w, struct op **waiting)
{
	uint64_t began = clock_monotonic_ms();
	enum store_result r;

	while ((r = w->store->ops->rewrite(w->store)) == STORE_BUSY &&
	       !mailbox_is_closed(w->queue)) {
		atomic_store(w->turned_ms, clock_monotonic_ms());
		append(waiting, (struct op *)mailbox_wait(w->queue, LOOK_MS));
		if (clock_monotonic_ms() - began < WAIT_MS)
			continue;
		refuse(w, *waiting);
		*waiting = NULL;
	}
	return r;
}

static void add_space(const struct rewrite *w, struct op *request)
{
	const struct store_ops *ops = w->store->ops;
	struct store_space space = { 0 };

	if (ops->begin(w->store) != STORE_OK)
		return;
	ops->space(w->store, &space);
	ops->rollback(w->store);
	buf_format(&request->body, "{\"usedBytes\":%" PRIu64 ",\"freeBytes\":%" PRIu64 "}\n",
	           space.used, space.free);
}

static void answer(const struct rewrite *w, struct op *request, enum store_result r)
{
	if (r == STORE_BUSY) {
		problem_set(&request->problem, OUTCOME_STOPPING,
		            "the server is stopping; the database is as it was");
	} else if (r != STORE_OK && r != STORE_NONE) {
		problem_set(&request->problem, OUTCOME_STORAGE_UNAVAILABLE,
		            "the database cannot be rewritten (%.120s)", store_error(w->store));
		log_error("the database cannot be rewritten", "cause", store_error(w->store));
	} else {
		add_space(w, request);
		audit_op(request);
		log_info("the database was rewritten");
	}
	w->deliver(w->context, NULL, request);
}

struct op *rewrite_run(const struct rewrite *w, struct op *ops)
{
	struct op *waiting = next_op(ops);

	ops->mail.next = NULL;
	log_info("the database is being rewritten; updates are answered 503 if it takes longer "
	         "than a second");
	answer(w, ops, wait_for_store(w, &waiting));
	return waiting;
}
