/*
 * How many watchers each job has on this node: the sum over its loops.  The loops change it, the
 * thread of the bus takes what has changed.  Any thread.
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

/* Calls `changed` for each job whose sum may have changed since the last call. */
typedef void watched_changed(void *context, const char *job_id, unsigned count);
void watched_take(struct watched *w, watched_changed *changed, void *context);

#endif
