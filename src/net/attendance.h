/*
 * The watchers and agents of the jobs of one loop.  Subscribers and the other loops are told of
 * changes, at intervals; workers are told whether their job has watchers.  Runs in the thread of
 * the loop.
 */
#ifndef JOBLIGHT_NET_ATTENDANCE_H
#define JOBLIGHT_NET_ATTENDANCE_H

#include "joblight/base/list.h"
#include "joblight/core/outcome.h"
#include "joblight/core/presence.h"

struct attendance;
struct loop;

struct attendance *attendance_create(struct loop *l);
void attendance_free(struct attendance *c);

/* The watchers or agents of the job have changed. (A presence_changed callback.) */
void attendance_changed(void *attendance, const char *job_id);
void attendance_tick(struct attendance *c, uint64_t now_ms);

/*
 * Takes the report of an agent from a client of this loop, and tells the other loops.  The report
 * is valid for --presence-ms; due_ms is set here.  False: the job has too many agents, and
 * *problem says so.
 */
bool attendance_report(struct attendance *c, const struct presence_report *w,
                       struct problem *problem);
/* Takes a report that another loop has received. */
void attendance_report_elsewhere(struct attendance *c, const struct presence_report *w);
/* The connection has closed: removes its agents. */
void attendance_owner_gone(struct attendance *c, uint64_t owner);
void attendance_owner_gone_elsewhere(struct attendance *c, unsigned loop, uint64_t owner);

/* Appends the agents as a JSON array. */
void attendance_agents(struct attendance *c, const char *job_id, struct buf *out);

/*
 * Calls `tell` when a job gets its first watcher and when it loses its last one.  Embedded in an
 * object of the caller.  `tell` is called in the thread of the loop, never from inside
 * attendance_want().
 */
struct attendance_want {
	struct list link;
	bool watched; /* what `tell` said last */
	void (*tell)(struct attendance_want *w, const char *job_id, unsigned watchers);
};

void attendance_want(struct attendance *c, struct attendance_want *w, const char *job_id);
void attendance_unwant(struct attendance *c, struct attendance_want *w, const char *job_id);

#endif
