/*
 * Who is there: watchers and agents of the jobs of one loop, told to its subscribers as `presence`
 * (at a pace), to the other loops, and to the workers who want to know whether anybody looks.
 */
#ifndef JOBLIGHT_NET_ATTENDANCE_H
#define JOBLIGHT_NET_ATTENDANCE_H

#include "joblight/base/list.h"
#include "joblight/core/presence.h"

struct crowd;
struct loop;

struct crowd *crowd_create(struct loop *l);
void crowd_free(struct crowd *c);

/* The job's watchers or agents are others than before. */
void crowd_changed(void *crowd, const char *job_id);
void crowd_tick(struct crowd *c, uint64_t now_ms);

/*
 * An agent's word, from a client of this loop: kept for --presence-ms from now on (due_ms is set
 * here), and told to the other loops.  False: too many agents.
 */
bool crowd_hear(struct crowd *c, const struct presence_report *w);
/* The same, from another loop. */
void crowd_hear_elsewhere(struct crowd *c, const struct presence_report *w);
/* The connection has gone, and its agents with it. */
void crowd_owner_gone(struct crowd *c, uint64_t owner);
void crowd_owner_gone_elsewhere(struct crowd *c, unsigned loop, uint64_t owner);

/* The agents as a JSON array. */
void crowd_agents(struct crowd *c, const char *job_id, struct buf *out);

/*
 * A worker that wants to hear when a job's first watcher comes and its last one leaves.  Embedded;
 * `tell` is called in the loop's thread, never from inside crowd_want().
 */
struct crowd_want {
	struct list link;
	bool watched; /* what it knows */
	void (*tell)(struct crowd_want *w, const char *job_id, unsigned watchers);
};

void crowd_want(struct crowd *c, struct crowd_want *w, const char *job_id);
void crowd_unwant(struct crowd *c, struct crowd_want *w, const char *job_id);

#endif
