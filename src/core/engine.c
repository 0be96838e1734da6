#include "joblight/core/engine.h"

#include <assert.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/keyring.h"
#include "apply.h"
#include "day_log.h"
#include "expect.h"
#include "idempotency.h"
#include "imports.h"
#include "precondition.h"

static bool (*const operations[OP_KIND_COUNT])(struct engine *, struct op *) = {
#define OP(kind, apply, decode, scope, watchers, audited) [OP_##kind] = apply,
#include "joblight/core/ops.def"
#undef OP
};

struct engine *engine_create(struct store *store, const struct limits *limits, entropy_fn *entropy)
{
	struct engine *e = xcalloc(1, sizeof(*e));

	e->store = store;
	e->limits = limits;
	e->entropy = entropy;
	list_init(&e->days);
	list_init(&e->imports);
	working_set_init(&e->rows, store, limits);
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	working_set_finish(&e->rows);
	imports_free(e);
	batch_release(e->batch);
	credential_release(e->first_key);
	free(e);
}

void engine_set_first_key(struct engine *e, struct credential *key)
{
	e->first_key = credential_hold(key);
}

void engine_set_issuer(struct engine *e)
{
	e->has_issuer = true;
}

static void set_time(struct engine *e, int64_t wall_ms, int64_t steady_ms, bool keys_expire)
{
	e->now = wall_ms;
	e->steady = steady_ms;
	e->keys_expire = keys_expire;
}

enum store_result engine_begin(struct engine *e, int64_t wall_ms, int64_t steady_ms,
                               bool keys_expire)
{
	enum store_result r = e->store->ops->begin(e->store);

	if (r != STORE_OK)
		return r;
	set_time(e, wall_ms, steady_ms, keys_expire);
	e->rows.failure = STORE_OK;
	e->batch = batch_create();
	return STORE_OK;
}

/* The row of a day is made of what the store has when the next day begins: day_log.h. */
bool engine_set_time(struct engine *e, int64_t wall_ms, int64_t steady_ms, bool keys_expire)
{
	if (wall_ms / DAY_MS != e->now / DAY_MS)
		return false;
	set_time(e, wall_ms, steady_ms, keys_expire);
	return true;
}

static bool run(struct engine *e, struct op *op)
{
	return precondition_holds(e, op) && operations[op->kind](e, op);
}

static void apply_with_key(struct engine *e, struct op *op)
{
	char scope[ID_MAX + 1];
	uint8_t fingerprint[DIGEST_LEN];

	if (!idempotency_scope(e, op, scope)) {
		if (!e->rows.failure)
			run(e, op);
		return;
	}
	op_fingerprint(op, fingerprint);
	if (idempotency_replay(e, op, scope, fingerprint))
		return;
	if (run(e, op))
		idempotency_remember(e, op, scope, fingerprint);
}

enum store_result engine_expect(struct engine *e, const struct op *ops)
{
	expect_rows(e, ops);
	return e->rows.failure;
}

enum store_result engine_expect_early(struct engine *e, const struct op *op)
{
	enum store_result r = expect_row(e, op);

	if (r != STORE_EARLY)
		store_failed(e, r);
	return r;
}

enum store_result engine_apply(struct engine *e, struct op *op)
{
	assert(e->batch && !e->rows.failure);
	e->traceparent = op->traceparent;
	if (outcome_is_error(op->problem.outcome)) {
		op->refused = true; /* before, and it is here only to be answered in order */
		return STORE_OK;
	}
	if (op->key[0])
		apply_with_key(e, op);
	else
		run(e, op);
	return e->rows.failure;
}

/* Everything that is written before the commit. */
static enum store_result write_rows(struct engine *e)
{
	enum store_result r = working_set_flush(&e->rows);

	if (r == STORE_OK)
		r = day_log_flush(e);
	/* A revocation that was answered is in force, so the keys are read before the commit. */
	if (r == STORE_OK && e->batch->keys_changed)
		r = keyring_load(e->store, e->first_key, &e->batch->keyring);
	return r;
}

static enum store_result end_with(struct engine *e, enum store_result r, struct batch **batch)
{
	*batch = NULL;
	if (r != STORE_OK) {
		engine_rollback(e);
		return r;
	}
	*batch = e->batch;
	e->batch = NULL;
	imports_committed(e);
	if (e->store->ops->exclusive)
		working_set_trim(&e->rows);
	else
		working_set_drop_all(&e->rows);
	return STORE_OK;
}

enum store_result engine_commit(struct engine *e, struct batch **batch)
{
	enum store_result r = write_rows(e);

	if (r == STORE_OK)
		r = e->store->ops->commit(e->store);
	return end_with(e, r, batch);
}

bool engine_is_importing(const struct engine *e)
{
	return !list_empty(&e->imports);
}

/* One that has written nothing could not be told from the ones before it. */
bool engine_may_send(const struct engine *e)
{
	return e->batch->count && e->store->ops->commit_may_start(e->store);
}

/* An import is told at once whether it was committed. */
enum store_result engine_send(struct engine *e, struct batch **batch)
{
	enum store_result r = write_rows(e);

	if (r == STORE_OK && !engine_is_importing(e))
		r = e->store->ops->commit_start(e->store);
	else if (r == STORE_OK)
		r = e->store->ops->commit(e->store);
	return end_with(e, r, batch);
}

bool engine_finish(struct engine *e, uint64_t wait_us, int wake_fd, enum store_result *result)
{
	return e->store->ops->commit_finish(e->store, wait_us, wake_fd, result);
}

void engine_rollback(struct engine *e)
{
	e->store->ops->rollback(e->store);
	working_set_drop_all(&e->rows); /* the rows in memory may be ahead of the disk */
	imports_rolled_back(e);
	batch_release(e->batch);
	e->batch = NULL;
	e->rows.failure = STORE_OK;
}

void engine_reset(struct op *op)
{
	if (op->refused)
		return;
	problem_finish(&op->problem);
	op->problem = (struct problem){ 0 };
	op->body.len = 0;
	op->replayed = op->unchanged = false;
	op->epoch[0] = '\0';
	op->seq_first = op->seq_last = 0;
}

void engine_refuse(struct op *op)
{
	problem_finish(&op->problem);
	op->body.len = 0;
	op->replayed = false;
	op->seq_first = op->seq_last = 0;
	/* The cause is for the log: a client can do nothing about it. */
	problem_set(
	    &op->problem, OUTCOME_STORAGE_UNAVAILABLE,
	    "the database cannot be written; repeat it later with the same idempotency key");
}
