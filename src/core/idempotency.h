/*
 * Answers that are kept under an idempotency key.  An answer is committed with the changes that it
 * describes.  Private to the engine.
 */
#ifndef JOBLIGHT_CORE_IDEMPOTENCY_H
#define JOBLIGHT_CORE_IDEMPOTENCY_H

#include "engine_internal.h"

/*
 * Where the keys of an operation belong (the last column of ops.def).  A deletion takes the keys of
 * its job with it, so its own key belongs to the job's id instead.
 */
enum key_scope { SCOPE_NONE, SCOPE_SERVER, SCOPE_JOB_ID, SCOPE_JOB };

/* False: there is no such job, so there is nothing to keep the answer with. */
bool idempotency_scope(struct engine *e, const struct op *op, char scope[ID_MAX + 1]);

/* Where its answer will be looked for; the strings are the op's.  False: nowhere. */
bool idempotency_expect(const struct op *op, struct expected_answer *row);

/* True: the op is finished, because its key has an answer, its key was used for another request, or
 * the store failed. */
bool idempotency_replay(struct engine *e, struct op *op, const char *scope,
                        const uint8_t *fingerprint);

/* Keeps the answer of an op that was applied. */
void idempotency_remember(struct engine *e, struct op *op, const char *scope,
                          const uint8_t *fingerprint);

#endif
