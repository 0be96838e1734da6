/*
 * The watchers and agents of the jobs of one loop.  Its subscribers get them as `presence` (at a
 * pace), the other loops get them too, and workers learn whether a job has watchers.
 */
#ifndef JOBLIGHT_NET_ATTENDANCE_H
#define JOBLIGHT_NET_ATTENDANCE_H

#include "joblight/base/list.h"
#include "joblight/core/presence.h"

struct attendance;
struct loop;

struct attendance *attendance_create(struct loop *l);
void attendance_free(struct attendance *c);

/* The job's watchers or agents are others than before. */
void attendance_changed(void *attendance, const char *job_id);
void attendance_tick(struct attendance *c, uint64_t now_ms);

/*
 * Takes the report of an agent from a client of this loop.  It is valid for --presence-ms (due_ms
 * is set here), and the other loops get it.  False: the job has too many agents.
 */
bool attendance_hear(struct attendance *c, const struct presence_report *w);
/* The same, from another loop. */
void attendance_hear_elsewhere(struct attendance *c, const struct presence_report *w);
/* The connection has gone, and its agents with it. */
void attendance_owner_gone(struct attendance *c, uint64_t owner);
void attendance_owner_gone_elsewhere(struct attendance *c, unsigned loop, uint64_t owner);

/* The agents as a JSON array. */
void attendance_agents(struct attendance *c, const char *job_id, struct buf *out);

/*
 * A worker that wants to hear when a job's first watcher comes and its last one leaves.  Embedded;
 * `tell` is called in the loop's thread, never from inside attendance_want().
 */
struct attendance_want {
	struct list link;
	bool watched; /* what it knows */
	void (*tell)(struct attendance_want *w, const char *job_id, unsigned watchers);
};

void attendance_want(struct attendance *c, struct attendance_want *w, const char *job_id);
void attendance_unwant(struct attendance *c, struct attendance_want *w, const char *job_id);

#endif
