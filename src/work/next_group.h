/*
 * While the transaction of a group commits, the next group is prepared: its ops are applied as they
 * come, as long as the store has their rows in memory.  It is sent when the one before was
 * committed, or, if the store can take it, as soon as it is about as large as that one, so that the
 * database never waits for this thread.  If the one before fails, what was applied is given up, and
 * the ops are run again: they have seen what never happened.
 *
 * In the store thread.
 */
#ifndef JOBLIGHT_WORK_NEXT_GROUP_H
#define JOBLIGHT_WORK_NEXT_GROUP_H

#include "group.h"

/* Zero but for `rest`: a group without ops. */
struct next_group {
	struct op *ops, *last; /* that were applied; NULL: none */
	uint64_t count;
	struct op *rest;           /* ops that come after those */
	bool open;                 /* there is a transaction, which has all ops */
	bool closed;               /* and gets no more */
	enum store_result failure; /* of the transaction */
};

/* Applies what waits, and what comes, until the transaction of `sent`, the oldest that is under
 * way, has ended.  False: it has not, and the group is to be sent now. */
bool next_group_prepare(struct writer *w, struct next_group *n, struct group *sent);

/* Sends the group.  False: there is nothing to send, and all ops are the rest.  Nothing more is
 * prepared then, before those under way have ended. */
bool next_group_send(struct writer *w, struct next_group *n, struct group *g);

/* All ops are the rest, as they were before. */
void next_group_abandon(struct writer *w, struct next_group *n);

/* Wakes the thread while it waits in next_group_prepare().  Any thread. */
void next_group_wake(void *writer);

#endif
