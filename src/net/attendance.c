#include "attendance.h"

#include <stdlib.h>

#include "joblight/base/hash.h"

#include "joblight/base/xalloc.h"
#include "loop_private.h"
#include "thread_mail.h"

/* With many watchers, presence is sent less often, so that it costs less than the events. */
#define WATCHERS_PER_MS 10

/* A job with watchers or agents, or one that connections want to be told of. */
struct attended_job {
	char job_id[ID_MAX + 1];
	bool changed;
	uint64_t due;        /* not before */
	struct list waiting; /* in attendance.waiting: there is something to do when it is due */
	struct list wants;
	UT_hash_handle hh;
};

struct attendance {
	struct loop *loop;
	struct presence *presence;
	struct attended_job *jobs;
	struct list waiting;
};

struct attendance *attendance_create(struct loop *l)
{
	struct attendance *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	list_init(&c->waiting);
	c->presence = presence_create((size_t)l->limits->agents_per_job, attendance_changed, c);
	return c;
}

static void drop(struct attendance *c, struct attended_job *g)
{
	list_remove(&g->waiting);
	/* The analyser does not know that an item of the table has valid links. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	HASH_DEL(c->jobs, g);
	free(g);
}

void attendance_free(struct attendance *c)
{
	struct attended_job *g, *next;

	if (!c)
		return;
	presence_free(c->presence);
	HASH_ITER(hh, c->jobs, g, next)
		drop(c, g);
	free(c);
}

static struct attended_job *attended_job(struct attendance *c, const char *job_id)
{
	struct attended_job *g;

	HASH_FIND_STR(c->jobs, job_id, g);
	if (g)
		return g;
	g = xcalloc(1, sizeof(*g));
	memcpy(g->job_id, job_id, strlen(job_id) + 1);
	list_init(&g->waiting);
	list_init(&g->wants);
	HASH_ADD_STR(c->jobs, job_id, g);
	return g;
}

/* The tick looks at it. */
static void await_due(struct attendance *c, struct attended_job *g)
{
	if (list_empty(&g->waiting))
		list_append(&c->waiting, &g->waiting);
}

void attendance_changed(void *attendance, const char *job_id)
{
	struct attended_job *g = attended_job(attendance, job_id);

	g->changed = true;
	await_due(attendance, g);
}

void attendance_agents(struct attendance *c, const char *job_id, struct buf *out)
{
	presence_tick(c->presence, loop_now(c->loop));
	presence_encode(c->presence, job_id, out);
}

static void tell_wants(struct attended_job *g, unsigned watchers)
{
	for (struct list *at = g->wants.next, *next; at != &g->wants; at = next) {
		struct attendance_want *w = container_of(at, struct attendance_want, link);
		next = at->next;
		if (w->watched == (watchers > 0))
			continue;
		w->watched = watchers > 0;
		w->tell(w, g->job_id, watchers);
	}
}

static void tell(struct attendance *c, struct attended_job *g, uint64_t now)
{
	struct loop *l = c->loop;
	unsigned watchers = hub_watchers(l->hub, g->job_id);
	struct buf agents = { 0 }, json = { 0 };

	attendance_agents(c, g->job_id, &agents);
	buf_format(&json, "{\"type\":\"presence\",\"jobId\":\"%s\",\"watchers\":%u,\"agents\":%s}",
	           g->job_id, watchers, buf_string(&agents));
	/* a single watcher knows from `connected` that it is alone */
	if (watchers > 1 || agents.len > 2 || hub_has_ephemeral(l->hub, g->job_id))
		hub_publish_ephemeral(l->hub, g->job_id, buf_as_slice(&json));
	buf_finish(&agents);
	buf_finish(&json);
	tell_wants(g, watchers);
	g->changed = false;
	g->due = now + l->limits->presence_pace_ms;
	if (watchers / WATCHERS_PER_MS > l->limits->presence_pace_ms)
		g->due = now + watchers / WATCHERS_PER_MS;
}

/* A job that was told waits once more, to be dropped when nothing has changed until it is due. */
static void look(struct attendance *c, struct attended_job *g, uint64_t now)
{
	if (g->changed)
		tell(c, g, now);
	else if (list_empty(&g->wants))
		drop(c, g);
	else
		list_remove(&g->waiting);
}

void attendance_tick(struct attendance *c, uint64_t now_ms)
{
	presence_tick(c->presence, now_ms);
	for (struct list *at = c->waiting.next, *next; at != &c->waiting; at = next) {
		struct attended_job *g = container_of(at, struct attended_job, waiting);
		next = at->next;
		if (g->due <= now_ms)
			look(c, g, now_ms);
	}
}

static bool take_report(struct attendance *c, const struct presence_report *w)
{
	presence_tick(c->presence, loop_now(c->loop));
	return presence_apply(c->presence, w);
}

bool attendance_report(struct attendance *c, const struct presence_report *w,
                       struct problem *problem)
{
	struct presence_report report = *w;

	report.due_ms = loop_now(c->loop) + c->loop->limits->presence_ms;
	if (!take_report(c, &report))
		return problem_set(problem, OUTCOME_TOO_MANY_AGENTS,
		                   "the job has %llu agents already",
		                   (unsigned long long)c->loop->limits->agents_per_job);
	thread_mail_post_presence(c->loop, &report);
	return true;
}

void attendance_report_elsewhere(struct attendance *c, const struct presence_report *w)
{
	take_report(c, w);
}

void attendance_owner_gone(struct attendance *c, uint64_t owner)
{
	struct presence_report gone = { .owner = owner, .loop = c->loop->peer };

	presence_drop_owner(c->presence, c->loop->peer, owner);
	thread_mail_post_presence(c->loop, &gone);
}

void attendance_owner_gone_elsewhere(struct attendance *c, unsigned loop, uint64_t owner)
{
	presence_drop_owner(c->presence, loop, owner);
}

void attendance_want(struct attendance *c, struct attendance_want *w, const char *job_id)
{
	w->watched = hub_watchers(c->loop->hub, job_id) > 0;
	list_append(&attended_job(c, job_id)->wants, &w->link);
}

void attendance_unwant(struct attendance *c, struct attendance_want *w, const char *job_id)
{
	list_remove(&w->link);
	await_due(c, attended_job(c, job_id)); /* a tick drops it, if this was the last */
}
