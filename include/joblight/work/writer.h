/*
 * The store thread: the only writer of the database, and the only one that checkpoints.
 *
 * It takes everything that is queued, runs it through the engine in one transaction (group commit),
 * and hands out what was committed.  commit_and_answer() in writer.c is the only way from an op to
 * its answer: commit, then broadcast, then answer.  By itself it notices tasks that were silent for
 * too long (the same transaction and broadcast, nobody to answer), prunes, and checkpoints.
 */
#ifndef JOBLIGHT_WORK_WRITER_H
#define JOBLIGHT_WORK_WRITER_H

#include "joblight/core/batch.h"
#include "joblight/core/limits.h"
#include "joblight/core/op.h"
#include "joblight/core/store.h"

struct writer;

/*
 * Called in the store thread with a committed batch (borrowed; NULL when nothing was logged) and
 * the ops it answers, linked by op->mail in their order (NULL: none); the ops are handed over.
 */
typedef void writer_deliver(void *context, struct batch *batch, struct op *ops);

struct writer *writer_start(struct store *store, const struct limits *limits,
                            writer_deliver *deliver, void *context);

/* Any thread.  False: too many are waiting (or it is stopping); the op is still the caller's. */
bool writer_submit(struct writer *w, struct op *op);

/* Nothing more is taken; what was is committed and delivered.  Returns when the thread has ended.
 */
void writer_stop(struct writer *w);
void writer_free(struct writer *w); /* after writer_stop(); NULL is fine */

#endif
