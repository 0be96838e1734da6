/*
 * The rules of writing: what an operation may do to a job, which events it makes, which answer it
 * gets. No I/O, threads or clock of its own: the store comes as a session, time and randomness are
 * given.
 *
 *      engine_begin ─> engine_apply (any number of ops) ─> engine_commit ─> the batch and the
 * answers └> failed: every op gets 503, nothing happened
 *
 * An op is checked wholly before it changes anything, so a refused op leaves no trace and the
 * others of the transaction go on.  Rows are kept between transactions while this is the only
 * writer; job and task rows are written once per transaction however many ops touched them.
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

/*
 * Begins a transaction at this wall time, which events carry, and this steady time (timeline.h), by
 * which silence is measured.  `keys_expire`: the wall clock is trusted, so idempotency keys are
 * forgotten after their time; otherwise every key that is still there counts.  On anything but
 * STORE_OK there is none.
 */
enum store_result engine_begin(struct engine *e, int64_t wall_ms, int64_t steady_ms,
                               bool keys_expire);

/*
 * Decides one op: its outcome, events and answer are set.  STORE_OK also for a refused op; anything
 * else means that the transaction is lost: call engine_rollback().
 */
enum store_result engine_apply(struct engine *e, struct op *op);

/*
 * Commits.  STORE_OK: the events are durable and *batch holds them (the caller's reference).
 * Anything else: rolled back, nothing happened, *batch is NULL.
 */
enum store_result engine_commit(struct engine *e, struct batch **batch);
void engine_rollback(struct engine *e);

/* The op's answer for a failed transaction: 503, repeat with the same key. */
void engine_refuse(const struct engine *e, struct op *op);

#endif
