/*
 * The agents at work on each job, and their states.  Agents report themselves; nothing is stored.
 *
 * An agent stays until its report expires, or until the connection that reported it (its `owner`)
 * closes.  Every loop has the whole table: a loop passes the reports it gets on to the others.  One
 * thread, no clock.
 */
#ifndef JOBLIGHT_CORE_PRESENCE_H
#define JOBLIGHT_CORE_PRESENCE_H

#include "joblight/base/buf.h"
#include "joblight/core/model.h"

#define AGENT_STATE_MAX 64 /* bytes */

struct presence_report {
	char job_id[ID_MAX + 1];
	char agent[ID_MAX + 1];
	char state[AGENT_STATE_MAX +
	           1];            /* idle, working, typing, or free text; "": the agent leaves */
	char task_id[ID_MAX + 1]; /* "" for none */
	uint64_t owner;           /* the connection that reported it; 0: none (HTTP) */
	unsigned loop;            /* of the owner */
	uint64_t due_ms;          /* when it expires, the same moment on all loops */
};

struct presence;

/* `changed` is called for each job with a change. */
typedef void presence_changed(void *context, const char *job_id);

struct presence *presence_create(size_t agents_per_job, presence_changed *changed, void *context);
void presence_free(struct presence *p);

/* Applies a report, which is valid until its `due_ms`.  False: the job has too many agents. */
bool presence_apply(struct presence *p, const struct presence_report *w);
void presence_drop_owner(struct presence *p, unsigned loop, uint64_t owner);
/* Drops the agents whose reports have expired.  Call it before each use of the table. */
void presence_tick(struct presence *p, uint64_t now_ms);

/* Calls `visit` for each report that has not expired. */
void presence_each(const struct presence *p,
                   void (*visit)(void *context, const struct presence_report *report),
                   void *context);

/* [{"id":…,"state":…,"taskId"?:…}, …] in order of arrival. */
void presence_encode(const struct presence *p, const char *job_id, struct buf *out);

#endif
