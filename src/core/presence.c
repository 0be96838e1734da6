#include "joblight/core/presence.h"

#include <assert.h>
#include <stdlib.h>

#include "joblight/base/hash.h"
#include "joblight/base/list.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"

struct agent {
	struct presence_report report;
	struct list in_job;   /* in order of arrival */
	struct list by_time;  /* in presence.times, in order of expiry */
	struct list by_owner; /* in owner.agents */
};

struct job_presence {
	char job_id[ID_MAX + 1];
	struct list agents;
	size_t count;
	UT_hash_handle hh;
};

struct owner_key {
	uint64_t owner;
	uint64_t loop;
};

struct owner {
	struct owner_key key;
	struct list agents;
	UT_hash_handle hh;
};

struct presence {
	size_t agents_per_job;
	presence_changed *changed;
	void *context;
	struct job_presence *jobs;
	struct owner *owners;
	struct list times;
};

struct presence *presence_create(size_t agents_per_job, presence_changed *changed, void *context)
{
	struct presence *p = xcalloc(1, sizeof(*p));

	p->agents_per_job = agents_per_job;
	p->changed = changed;
	p->context = context;
	list_init(&p->times);
	return p;
}

static struct job_presence *find_job(const struct presence *p, const char *job_id)
{
	struct job_presence *job;

	HASH_FIND_STR(p->jobs, job_id, job);
	return job;
}

static struct owner *find_owner(const struct presence *p, unsigned loop, uint64_t id)
{
	struct owner_key key = { id, loop };
	struct owner *owner;

	/* The key has no padding. */
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	HASH_FIND(hh, p->owners, &key, sizeof(key), owner);
	return owner;
}

static void leave_owner(struct presence *p, struct agent *a)
{
	struct owner *owner = find_owner(p, a->report.loop, a->report.owner);

	list_remove(&a->by_owner);
	if (!owner || !list_empty(&owner->agents))
		return;
	HASH_DEL(p->owners, owner);
	free(owner);
}

static void join_owner(struct presence *p, struct agent *a)
{
	struct owner *owner = find_owner(p, a->report.loop, a->report.owner);

	if (!a->report.owner)
		return;
	if (!owner) {
		owner = xcalloc(1, sizeof(*owner));
		owner->key = (struct owner_key){ a->report.owner, a->report.loop };
		list_init(&owner->agents);
		HASH_ADD(hh, p->owners, key, sizeof(owner->key), owner);
	}
	list_append(&owner->agents, &a->by_owner);
}

static void drop(struct presence *p, struct agent *a)
{
	struct job_presence *job = find_job(p, a->report.job_id);

	assert(job);
	list_remove(&a->in_job);
	list_remove(&a->by_time);
	leave_owner(p, a);
	p->changed(p->context, a->report.job_id);
	free(a);
	if (--job->count)
		return;
	HASH_DEL(p->jobs, job);
	free(job);
}

static void ignore_change(void *context, const char *job_id)
{
	(void)context;
	(void)job_id;
}

void presence_free(struct presence *p)
{
	if (!p)
		return;
	p->changed = ignore_change;
	while (!list_empty(&p->times))
		drop(p, container_of(p->times.next, struct agent, by_time));
	free(p);
}

static struct agent *find_agent(const struct job_presence *job, const char *name)
{
	for (struct list *at = job ? job->agents.next : NULL; job && at != &job->agents;
	     at = at->next) {
		struct agent *a = container_of(at, struct agent, in_job);
		if (strcmp(a->report.agent, name) == 0)
			return a;
	}
	return NULL;
}

static struct job_presence *open_job(struct presence *p, const char *job_id)
{
	struct job_presence *job = xcalloc(1, sizeof(*job));

	memcpy(job->job_id, job_id, strlen(job_id) + 1);
	list_init(&job->agents);
	HASH_ADD_STR(p->jobs, job_id, job);
	return job;
}

static struct agent *add_agent(struct presence *p, struct job_presence *job,
                               const struct presence_report *w)
{
	if (job && job->count >= p->agents_per_job)
		return NULL;
	if (!job)
		job = open_job(p, w->job_id);
	struct agent *a = xcalloc(1, sizeof(*a));
	list_init(&a->by_time);
	list_init(&a->by_owner);
	list_append(&job->agents, &a->in_job);
	job->count++;
	return a;
}

/* Searches from the end: nearly every report expires last, except for late ones of other loops. */
static void put_in_time(struct presence *p, struct agent *a)
{
	struct list *at = p->times.prev;

	while (at != &p->times &&
	       container_of(at, struct agent, by_time)->report.due_ms > a->report.due_ms)
		at = at->prev;
	list_append(at->next, &a->by_time);
}

bool presence_apply(struct presence *p, const struct presence_report *w)
{
	struct job_presence *job = find_job(p, w->job_id);
	struct agent *a = find_agent(job, w->agent);

	if (!w->state[0]) {
		if (a)
			drop(p, a);
		return true;
	}
	bool new = !a;
	if (new && !(a = add_agent(p, job, w)))
		return false;
	bool differs = new || strcmp(a->report.state, w->state) != 0 ||
	               strcmp(a->report.task_id, w->task_id) != 0;
	if (!new)
		leave_owner(p, a);
	list_remove(&a->by_time);
	a->report = *w;
	join_owner(p, a);
	put_in_time(p, a);
	if (differs)
		p->changed(p->context, w->job_id);
	return true;
}

void presence_drop_owner(struct presence *p, unsigned loop, uint64_t id)
{
	struct owner *owner;

	while ((owner = find_owner(p, loop, id)))
		drop(p, container_of(owner->agents.next, struct agent, by_owner));
}

void presence_tick(struct presence *p, uint64_t now_ms)
{
	while (!list_empty(&p->times)) {
		struct agent *a = container_of(p->times.next, struct agent, by_time);
		if (a->report.due_ms > now_ms)
			return;
		drop(p, a);
	}
}

void presence_each(const struct presence *p,
                   void (*visit)(void *context, const struct presence_report *report),
                   void *context)
{
	for (struct list *at = p->times.next; at != &p->times; at = at->next)
		visit(context, &container_of(at, struct agent, by_time)->report);
}

void presence_encode(const struct presence *p, const char *job_id, struct buf *out)
{
	const struct job_presence *job = find_job(p, job_id);

	buf_char(out, '[');
	for (struct list *at = job ? job->agents.next : NULL; job && at != &job->agents;
	     at = at->next) {
		const struct agent *a = container_of(at, struct agent, in_job);
		buf_text(out, at == job->agents.next ? "{\"id\":" : ",{\"id\":");
		json_string(out, slice_of(a->report.agent));
		buf_text(out, ",\"state\":");
		json_string(out, slice_of(a->report.state));
		if (a->report.task_id[0]) {
			buf_text(out, ",\"taskId\":");
			json_string(out, slice_of(a->report.task_id));
		}
		buf_char(out, '}');
	}
	buf_char(out, ']');
}
