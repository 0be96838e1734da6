/*
 * The state of the store thread, for its files:
 *
 *   writer.c      the thread: takes ops, writes them in groups, and runs the chores between
 *   group.c       a group is one transaction: runs it, again if need be, and answers it
 *   gather.c      waits for more ops, if the group would wait for other nodes anyway
 *   next_group.c  prepares a group while others commit
 *
 * One thread, but for what is atomic.
 */
#ifndef JOBLIGHT_WORK_WRITER_STATE_H
#define JOBLIGHT_WORK_WRITER_STATE_H

#include <stdatomic.h>

#include "joblight/core/engine.h"
#include "joblight/core/timeline.h"
#include "joblight/work/writer.h"
#include "answered.h"
#include "chores.h"
#include "doubts.h"
#include "trouble.h"

struct writer {
	struct store *store;
	struct limits limits;                 /* its own, which its engine and chores point to */
	_Atomic(struct limits *) next_limits; /* NULL, or what limits are to become */
	struct engine *engine;
	struct mailbox queue;
	int wake_fd;         /* an eventfd; -1: the store does not commit in two steps */
	atomic_bool listens; /* ... which is waited for */
	writer_deliver *deliver;
	void *context;
	pthread_t thread;
	struct chores *chores;
	struct trouble trouble; /* of transactions */
	bool failing;           /* the last one has failed */
	struct doubts doubts;
	struct timeline timeline;
	struct answered answered;
	struct {
		uint64_t count; /* of ops that are waited for; 0: it is not waited */
		uint64_t since_us;
	} gather; /* gather.c */
	_Atomic(uint64_t) turned_ms;
};

static inline struct op *first_op(struct mail *mail)
{
	return (struct op *)mail; /* mail is the first member */
}

static inline struct op *next_op(const struct op *op)
{
	return first_op(op->mail.next);
}

#endif
