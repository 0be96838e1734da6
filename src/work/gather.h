/*
 * A group whose rows other nodes write too waits for their groups.  If it began with the first op
 * that is there, the workers that were answered last would be too late for it, and would make a
 * group of their own, which waits as well.  So it waits a moment for as many ops as there were.
 *
 * In the store thread.
 */
#ifndef JOBLIGHT_WORK_GATHER_H
#define JOBLIGHT_WORK_GATHER_H

#include "group.h"

/* How many ops wait; `rest`: those that were taken already (NULL: none). */
uint64_t gather_waiting(struct writer *w, const struct op *rest);
/* After a group was answered; so many ops were waiting before. */
void gather_expect(struct writer *w, const struct group *g, uint64_t waiting);
/* Appends what waits, and what comes within a moment, to `ops`, which are about to be a group,
 * unless they fill it. */
void gather_more(struct writer *w, struct op *ops);

#endif
