#include "attendance.h"

#include <stdlib.h>

#include "joblight/base/hash.h"

#include "joblight/base/xalloc.h"
#include "loop_private.h"
#include "thread_mail.h"

#define WATCHERS_PER_MS                                                                            \
	10 /* a large crowd is told less often: presence must not cost more than the events */

/* A job of which something is to be told, or somebody wants to be. */
struct gathering {
	char job_id[ID_MAX + 1];
	bool changed;
	uint64_t due;
	struct list wants;
	UT_hash_handle hh;
};

struct crowd {
	struct loop *loop;
	struct presence *presence;
	struct gathering *gatherings;
};

struct crowd *crowd_create(struct loop *l)
{
	struct crowd *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	c->presence = presence_create((size_t)l->limits->agents_per_job, crowd_changed, c);
	return c;
}

static void drop(struct crowd *c, struct gathering *g)
{
	HASH_DEL(c->gatherings, g);
	free(g);
}

void crowd_free(struct crowd *c)
{
	struct gathering *g, *next;

	if (!c)
		return;
	presence_free(c->presence);
	HASH_ITER(hh, c->gatherings, g, next)
		drop(c, g);
	free(c);
}

static struct gathering *gather(struct crowd *c, const char *job_id)
{
	struct gathering *g;

	HASH_FIND_STR(c->gatherings, job_id, g);
	if (g)
		return g;
	g = xcalloc(1, sizeof(*g));
	memcpy(g->job_id, job_id, strlen(job_id) + 1);
	list_init(&g->wants);
	HASH_ADD_STR(c->gatherings, job_id, g);
	return g;
}

void crowd_changed(void *crowd, const char *job_id)
{
	gather(crowd, job_id)->changed = true;
}

void crowd_agents(struct crowd *c, const char *job_id, struct buf *out)
{
	presence_tick(c->presence, loop_now(c->loop));
	presence_encode(c->presence, job_id, out);
}

static void tell_wants(struct gathering *g, unsigned watchers)
{
	for (struct list *at = g->wants.next, *next; at != &g->wants; at = next) {
		struct crowd_want *w = container_of(at, struct crowd_want, link);
		next = at->next;
		if (w->watched == (watchers > 0))
			continue;
		w->watched = watchers > 0;
		w->tell(w, g->job_id, watchers);
	}
}

static void tell(struct crowd *c, struct gathering *g, uint64_t now)
{
	struct loop *l = c->loop;
	unsigned watchers = hub_watchers(l->hub, g->job_id);
	struct buf agents = { 0 }, json = { 0 };

	crowd_agents(c, g->job_id, &agents);
	buf_format(&json, "{\"type\":\"presence\",\"jobId\":\"%s\",\"watchers\":%u,\"agents\":%s}",
	           g->job_id, watchers, buf_string(&agents));
	/* One who is alone knows it from `connected`. */
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

void crowd_tick(struct crowd *c, uint64_t now_ms)
{
	struct gathering *g, *next;

	presence_tick(c->presence, now_ms);
	HASH_ITER(hh, c->gatherings, g, next) {
		if (g->due > now_ms)
			continue;
		if (g->changed)
			tell(c, g, now_ms);
		else if (list_empty(&g->wants))
			drop(c, g);
	}
}

static bool hear(struct crowd *c, const struct presence_report *w)
{
	presence_tick(c->presence, loop_now(c->loop));
	return presence_apply(c->presence, w);
}

bool crowd_hear(struct crowd *c, const struct presence_report *w)
{
	struct presence_report word = *w;

	word.due_ms = loop_now(c->loop) + c->loop->limits->presence_ms;
	if (!hear(c, &word))
		return false;
	inbox_post_presence(c->loop, &word);
	return true;
}

void crowd_hear_elsewhere(struct crowd *c, const struct presence_report *w)
{
	hear(c, w);
}

void crowd_owner_gone(struct crowd *c, uint64_t owner)
{
	struct presence_report gone = { .owner = owner, .loop = c->loop->peer };

	presence_drop_owner(c->presence, c->loop->peer, owner);
	inbox_post_presence(c->loop, &gone);
}

void crowd_owner_gone_elsewhere(struct crowd *c, unsigned loop, uint64_t owner)
{
	presence_drop_owner(c->presence, loop, owner);
}

void crowd_want(struct crowd *c, struct crowd_want *w, const char *job_id)
{
	w->watched = hub_watchers(c->loop->hub, job_id) > 0;
	list_append(&gather(c, job_id)->wants, &w->link);
}

void crowd_unwant(struct crowd *c, struct crowd_want *w, const char *job_id)
{
	(void)c;
	(void)job_id; /* its gathering is dropped by the next tick */
	list_remove(&w->link);
}
