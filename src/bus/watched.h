/*
 * How many watchers each job has on this node, the sum over its loops, and which jobs they follow:
 * those of which they have a ring.  The loops change it, the thread of the bus takes what has
 * changed.  Any thread.
 */
#ifndef JOBLIGHT_BUS_WATCHED_H
#define JOBLIGHT_BUS_WATCHED_H

#include <stdbool.h>

struct watched;

struct watched *watched_create(void);
void watched_free(struct watched *w);

/* Loop `loop` has so many watchers of the job.  True: it is the first change since the last
 * watched_take(). */
bool watched_set(struct watched *w, unsigned loop, const char *job_id, unsigned count);
/* The same: it follows the job, or does so no longer. */
bool watched_follow(struct watched *w, unsigned loop, const char *job_id, bool follows);

/* Calls `changed` for each job that may have changed since the last call; `followed`: by a loop. */
typedef void watched_changed(void *context, const char *job_id, unsigned count, bool followed);
void watched_take(struct watched *w, watched_changed *changed, void *context);

#endif
