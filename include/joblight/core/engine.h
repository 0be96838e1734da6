/*
 * The rules of writing: what an operation may do to a job, which events it adds, and which answer
 * it gets.  No I/O, threads or clock: the caller passes the session of the store, the time and the
 * source of randomness.
 *
 *      engine_begin ─> engine_apply (any number of ops) ─> engine_commit ─> the batch, the answers
 *                                                                 └─> failed: every op gets 503
 *
 * An op is checked completely before it changes anything, so a refused op leaves no trace and the
 * other ops of the transaction continue.  Rows are kept between transactions while this is the only
 * writer.  Each job and task row is written once per transaction, however many ops change it.
 *
 * One thread.
 */
#ifndef JOBLIGHT_CORE_ENGINE_H
#define JOBLIGHT_CORE_ENGINE_H

#include "joblight/core/batch.h"
#include "joblight/core/limits.h"
#include "joblight/core/op.h"
#include "joblight/core/store.h"

struct engine;

typedef void entropy_fn(void *out, size_t len);

/* `store` is a writing session that outlives the engine. */
struct engine *engine_create(struct store *store, const struct limits *limits, entropy_fn *entropy);
void engine_free(struct engine *e);

/* A key that the database does not have, for the keyrings of the batches (batch.h).  Before the
 * first transaction. */
void engine_set_first_key(struct engine *e, struct credential *key);
/* Tokens of another issuer are accepted: the first key is not the only way in. */
void engine_set_issuer(struct engine *e);

/*
 * Begins a transaction.  `wall_ms` is the time that its events carry, and `steady_ms` (timeline.h)
 * measures silence.  `keys_expire` tells that the wall clock is trusted, so that old idempotency
 * keys are ignored; otherwise every stored key counts.  On anything but STORE_OK no transaction is
 * open.
 */
enum store_result engine_begin(struct engine *e, int64_t wall_ms, int64_t steady_ms,
                               bool keys_expire);

/* Tells the store what the ops of the transaction, linked by op->mail, are about.  Once after
 * engine_begin(), or not at all; fails like engine_apply(). */
enum store_result engine_expect(struct engine *e, const struct op *ops);

/* Applies one op: sets its outcome, events and answer.  Returns STORE_OK for a refused op too.
 * Anything else means that the transaction is lost, and the caller calls engine_rollback(). */
enum store_result engine_apply(struct engine *e, struct op *op);

/* Commits.  On STORE_OK the events are durable and *batch holds them (the caller owns the
 * reference).  On anything else the transaction was rolled back and *batch is NULL. */
enum store_result engine_commit(struct engine *e, struct batch **batch);
void engine_rollback(struct engine *e);

/* Answers an op of a failed transaction: 503, repeat it with the same key. */
void engine_refuse(struct op *op);
/* Makes an op of a failed transaction as it was before, so that it can be applied again. */
void engine_reset(struct op *op);

#endif
