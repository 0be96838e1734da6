#include "watched.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/list.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/remote_watchers.h"
#include "joblight/core/model.h"

/* A job that has changed. */
struct change {
	char job_id[ID_MAX + 1];
	struct list link;
};

struct watched {
	pthread_mutex_t lock;
	struct remote_watchers *counts;  /* by loop */
	struct remote_watchers *follows; /* 1 for each loop that follows the job */
	struct list changes;
};

struct watched *watched_create(void)
{
	struct watched *w = xcalloc(1, sizeof(*w));

	pthread_mutex_init(&w->lock, NULL);
	w->counts = remote_watchers_create();
	w->follows = remote_watchers_create();
	list_init(&w->changes);
	return w;
}

static void ignore(void *context, const char *job_id, unsigned count, bool followed)
{
	(void)context;
	(void)job_id;
	(void)count;
	(void)followed;
}

void watched_free(struct watched *w)
{
	watched_take(w, ignore, NULL);
	remote_watchers_free(w->counts);
	remote_watchers_free(w->follows);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static bool change(struct watched *w, struct remote_watchers *numbers, unsigned loop,
                   const char *job_id, unsigned number)
{
	struct change *c = xcalloc(1, sizeof(*c));

	memcpy(c->job_id, job_id, strlen(job_id) + 1);
	pthread_mutex_lock(&w->lock);
	bool first = list_empty(&w->changes);
	remote_watchers_set(numbers, job_id, loop, number);
	list_append(&w->changes, &c->link);
	pthread_mutex_unlock(&w->lock);
	return first;
}

bool watched_set(struct watched *w, unsigned loop, const char *job_id, unsigned count)
{
	return change(w, w->counts, loop, job_id, count);
}

bool watched_follow(struct watched *w, unsigned loop, const char *job_id, bool follows)
{
	return change(w, w->follows, loop, job_id, follows);
}

static struct change *take_change(struct watched *w, unsigned *count, bool *followed)
{
	struct change *c = NULL;

	pthread_mutex_lock(&w->lock);
	if (!list_empty(&w->changes)) {
		c = container_of(w->changes.next, struct change, link);
		list_remove(&c->link);
		*count = remote_watchers_total(w->counts, c->job_id);
		*followed = remote_watchers_total(w->follows, c->job_id) > 0;
	}
	pthread_mutex_unlock(&w->lock);
	return c;
}

void watched_take(struct watched *w, watched_changed *changed, void *context)
{
	struct change *c;
	unsigned count = 0;
	bool followed = false;

	while ((c = take_change(w, &count, &followed))) {
		changed(context, c->job_id, count, followed);
		free(c);
	}
}
