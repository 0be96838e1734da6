/*
 * The store thread: the only writer of the database, and the only thread that checkpoints.
 *
 * It takes all queued ops, runs them through the engine in one transaction (group commit), and
 * publishes what was committed, and nothing else.  With a store on another machine the next
 * transaction is prepared, and may be sent, while one commits.  The chores (chores.h) run between
 * transactions.
 */
#ifndef JOBLIGHT_WORK_WRITER_H
#define JOBLIGHT_WORK_WRITER_H

#include "joblight/core/batch.h"
#include "joblight/core/keyring.h"
#include "joblight/core/limits.h"
#include "joblight/core/op.h"
#include "joblight/core/store.h"

struct writer;
struct metric_values;

/*
 * Called in the store thread with a committed batch (borrowed; NULL: there are no events) and the
 * ops that it answers, linked by op->mail in their order (NULL: none).  The ops then belong to the
 * callee.
 */
typedef void writer_deliver(void *context, struct batch *batch, struct op *ops);

/* The limits are copied. */
struct writer *writer_start(struct store *store, const struct limits *limits,
                            writer_deliver *deliver, void *context);

/*
 * A key that the database does not have, for the keyrings that the writer sends with its batches.
 * Before the first op.
 */
void writer_set_first_key(struct writer *w, struct credential *key);
void writer_set_issuer(struct writer *w); /* see engine_set_issuer() */

/* Any thread.  False: too many ops are waiting, or it is stopping; the op stays the caller's. */
bool writer_submit(struct writer *w, struct op *op);

/* Any thread.  The store thread takes over the LIVE limits before its next transaction. */
void writer_set_limits(struct writer *w, const struct limits *limits);

/* Any thread.  When the store thread last took what was waiting, in monotonic ms. */
uint64_t writer_turned_ms(const struct writer *w);

/* A source of metrics.  Any thread. */
void writer_measure(void *writer, struct metric_values *v);

/*
 * Accepts no more ops; commits and delivers those that were accepted.  Returns when the thread has
 * ended.
 */
void writer_stop(struct writer *w);
void writer_free(struct writer *w); /* after writer_stop(); NULL is fine */

#endif
