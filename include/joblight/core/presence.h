/*
 * Which agents are at work on a job, and in what state: told by them, never stored, gone by itself.
 *
 * An agent stays until its time is over, or until the connection that told of it (its `owner`) is
 * gone. Every loop has the whole table: what one hears it tells the others.  One thread, no clock.
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
	           1];            /* idle, working, typing, or free text; "" means it leaves */
	char task_id[ID_MAX + 1]; /* "" for none */
	uint64_t owner;           /* who told; 0: nobody in particular (HTTP) */
	unsigned loop;            /* of the owner */
	uint64_t due_ms;          /* when it ends: one moment for all loops */
};

struct presence;

/* `changed` is called for each job of which something changed. */
typedef void presence_changed(void *context, const char *job_id);

struct presence *presence_create(size_t agents_per_job, presence_changed *changed, void *context);
void presence_free(struct presence *p);

/* The agent's word, valid until its `due_ms`.  False: the job has too many agents. */
bool presence_apply(struct presence *p, const struct presence_report *w);
void presence_drop_owner(struct presence *p, unsigned loop, uint64_t owner);
/* Drops the agents whose time is over: before each look at the table, or its answer is late. */
void presence_tick(struct presence *p, uint64_t now_ms);

/* [{"id":…,"state":…,"taskId"?:…}, …] in the order they came. */
void presence_encode(const struct presence *p, const char *job_id, struct buf *out);

#endif
