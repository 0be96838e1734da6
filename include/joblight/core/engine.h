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
/* The times for the ops that are applied from now on.  False: it is another day than it was, and
 * its ops need another transaction. */
bool engine_set_time(struct engine *e, int64_t wall_ms, int64_t steady_ms, bool keys_expire);

/* Tells the store what the ops of the transaction, linked by op->mail, are about.  Once after
 * engine_begin(), or not at all; fails like engine_apply(). */
enum store_result engine_expect(struct engine *e, const struct op *ops);

/* The same for one more op of a transaction that was begun while another one commits, before it is
 * applied.  STORE_EARLY: the store cannot have its rows yet, and the transaction goes on without
 * it. */
enum store_result engine_expect_early(struct engine *e, const struct op *op);

/* Applies one op: sets its outcome, events and answer.  Returns STORE_OK for a refused op too.
 * Anything else means that the transaction is lost, and the caller calls engine_rollback(). */
enum store_result engine_apply(struct engine *e, struct op *op);

/* Commits.  On STORE_OK the events are durable and *batch holds them (the caller owns the
 * reference).  On anything else the transaction was rolled back and *batch is NULL. */
enum store_result engine_commit(struct engine *e, struct batch **batch);
void engine_rollback(struct engine *e);

/*
 * The same in two steps, if the store has them (commit_start() in store.h).  On STORE_OK *batch is
 * what is committed when engine_finish() has said OK; until then it is nobody's but the caller's,
 * and the next transaction may be begun.  False: there is no answer yet.
 *
 * While a job is imported, engine_send() waits for the commit itself, and no transaction may be
 * begun before engine_finish() has returned true.
 */
bool engine_is_importing(const struct engine *e);
/* Whether the transaction can be sent before those that are under way have ended. */
bool engine_may_send(const struct engine *e);
enum store_result engine_send(struct engine *e, struct batch **batch);
bool engine_finish(struct engine *e, uint64_t wait_us, int wake_fd, enum store_result *result);

/* Answers an op of a failed transaction: 503, repeat it with the same key. */
void engine_refuse(struct op *op);
/* Makes an op of a failed transaction as it was before, so that it can be applied again. */
void engine_reset(struct op *op);

#endif
