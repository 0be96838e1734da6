#include "subscriptions.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/hash.h"
#include "joblight/base/list.h"

/* Somebody who reloads a page comes back sooner. */
#define KEEP_MS 5000

struct subscription {
	char job_id[ID_MAX + 1];
	unsigned count;
	bool needed;         /* it is watched or followed */
	uint64_t leave_ms;   /* when to unsubscribe, if it is not needed */
	struct list leaving; /* in subscriptions.leaving, the earliest first */
	struct list doubted; /* in subscriptions.doubted */
	UT_hash_handle hh;
};

struct subscriptions {
	struct carrier *carrier;
	const char *prefix;
	struct subscription *jobs;
	struct list leaving, doubted;
};

struct slice channel_of_job(const char *prefix, const char *job_id, char out[CHANNEL_MAX])
{
	int len = snprintf(out, CHANNEL_MAX, "%s:job:%s", prefix, job_id);

	return (struct slice){ out, (size_t)len };
}

struct subscriptions *subscriptions_create(struct carrier *carrier, const char *prefix)
{
	struct subscriptions *s = xcalloc(1, sizeof(*s));

	s->carrier = carrier;
	s->prefix = prefix;
	list_init(&s->leaving);
	list_init(&s->doubted);
	return s;
}

static void drop(struct subscriptions *s, struct subscription *job)
{
	assert(s->jobs); /* this one is in it */
	list_remove(&job->leaving);
	list_remove(&job->doubted);
	HASH_DEL(s->jobs, job);
	free(job);
}

void subscriptions_free(struct subscriptions *s)
{
	struct subscription *job, *next;

	HASH_ITER(hh, s->jobs, job, next)
		drop(s, job);
	free(s);
}

static struct subscription *find(const struct subscriptions *s, const char *job_id)
{
	struct subscription *job;

	HASH_FIND_STR(s->jobs, job_id, job);
	return job;
}

static void subscribe(struct subscriptions *s, const struct subscription *job)
{
	char channel[CHANNEL_MAX];

	s->carrier->ops->subscribe(s->carrier, channel_of_job(s->prefix, job->job_id, channel));
}

static struct subscription *open_job(struct subscriptions *s, const char *job_id)
{
	struct subscription *job = xcalloc(1, sizeof(*job));

	memcpy(job->job_id, job_id, strlen(job_id) + 1);
	list_init(&job->leaving);
	list_init(&job->doubted);
	HASH_ADD_STR(s->jobs, job_id, job);
	subscribe(s, job);
	return job;
}

bool subscriptions_set(struct subscriptions *s, const char *job_id, unsigned count, bool followed,
                       uint64_t now_ms)
{
	struct subscription *job = find(s, job_id);
	bool needed = count || followed;

	if (!job && !needed)
		return false;
	if (!job)
		job = open_job(s, job_id);
	bool changed = job->count != count, was_needed = job->needed;
	job->count = count;
	job->needed = needed;
	if (needed) {
		list_remove(&job->leaving);
	} else if (was_needed) {
		job->leave_ms = now_ms + KEEP_MS;
		list_move(&s->leaving, &job->leaving);
	}
	return changed;
}

void subscriptions_tick(struct subscriptions *s, uint64_t now_ms)
{
	char channel[CHANNEL_MAX];

	while (!list_empty(&s->leaving)) {
		struct subscription *job = container_of(s->leaving.next, struct subscription,
		                                        leaving);
		if (job->leave_ms > now_ms)
			return;
		s->carrier->ops->unsubscribe(s->carrier,
		                             channel_of_job(s->prefix, job->job_id, channel));
		drop(s, job);
	}
}

void subscriptions_renew(struct subscriptions *s)
{
	for (const struct subscription *job = s->jobs; job; job = job->hh.next)
		subscribe(s, job);
}

void subscriptions_doubt_job(struct subscriptions *s, const char *job_id)
{
	struct subscription *job = find(s, job_id);

	if (job)
		list_move(&s->doubted, &job->doubted);
}

bool subscriptions_are_doubted(const struct subscriptions *s)
{
	return !list_empty(&s->doubted);
}

bool subscriptions_confirm(struct subscriptions *s, struct slice channel)
{
	char start[CHANNEL_MAX], job_id[ID_MAX + 1];
	size_t len = channel_of_job(s->prefix, "", start).len;

	if (channel.len <= len || channel.len - len > ID_MAX ||
	    memcmp(channel.ptr, start, len) != 0)
		return false;
	id_copy(job_id, (struct slice){ channel.ptr + len, channel.len - len });
	subscriptions_doubt_job(s, job_id);
	return true;
}

void subscriptions_doubt(struct subscriptions *s)
{
	for (struct subscription *job = s->jobs; job; job = job->hh.next)
		if (list_empty(&job->doubted))
			list_append(&s->doubted, &job->doubted);
}

size_t subscriptions_take_doubted(struct subscriptions *s, char (*ids)[ID_MAX + 1], size_t max)
{
	size_t count = 0;

	while (count < max && !list_empty(&s->doubted)) {
		struct subscription *job = container_of(s->doubted.next, struct subscription,
		                                        doubted);
		list_remove(&job->doubted);
		memcpy(ids[count++], job->job_id, sizeof(job->job_id));
	}
	return count;
}

void subscriptions_each(const struct subscriptions *s,
                        void (*visit)(void *context, const char *job_id, unsigned count),
                        void *context)
{
	for (const struct subscription *job = s->jobs; job; job = job->hh.next)
		if (job->count)
			visit(context, job->job_id, job->count);
}

size_t subscriptions_count(const struct subscriptions *s)
{
	return HASH_COUNT(s->jobs);
}
