/*
 * A group of ops is one transaction.  What it has changed is published, and its ops are answered,
 * when it was committed.  If it collides with those of other nodes, it is run again, in halves if
 * need be: one op may be what it fails by.
 *
 * In the store thread.
 */
#ifndef JOBLIGHT_WORK_GROUP_H
#define JOBLIGHT_WORK_GROUP_H

#include "writer_state.h"

struct group {
	struct op *ops;           /* linked by op->mail */
	struct batch *batch;      /* NULL: the transaction failed */
	uint64_t began, oldest;   /* microseconds: it; the arrival of its oldest op */
	uint64_t count;           /* of ops */
	enum store_result result; /* of the transaction that was sent; if it is not OK: */
	bool stale, in_doubt;     /* as the store has said */
	bool shares;              /* the same, whatever the result */
};

/* Splits the list after `max` ops, or before one that rewrites the database; returns the rest. */
struct op *group_split(struct op *ops, uint64_t max);

/* Commits the ops, and answers them: they are the callee's. */
void group_write(struct writer *w, struct op *ops);
/* Commits the ops of a chore, which nobody waits for: they stay the caller's.  A chores_commit. */
bool group_write_chore(void *writer, struct op *ops);

/*
 * The same in steps, with a store that has them (commit_start() in joblight/core/store.h): the
 * transaction is sent, it is waited for, and the ops are answered.  group_send() is false if it has
 * failed already, and group_finish() if it has not ended yet.
 */
bool group_send(struct writer *w, struct group *g, struct op *ops);
bool group_finish(struct writer *w, struct group *g, uint64_t wait_us, int wake_fd);
void group_answer(struct writer *w, struct group *g);

/* For next_group.c. */
enum store_result group_begin_transaction(struct writer *w);
bool group_set_time(struct writer *w);             /* see engine_set_time() */
void group_begin(struct group *g, struct op *ops); /* they are all there, and about to be sent */

#endif
