#include "joblight/core/remote_watchers.h"

#include <stdlib.h>

#include "joblight/base/hash.h"

#include "joblight/base/xalloc.h"
#include "joblight/core/model.h"

struct part {
	unsigned loop, count;
};

struct job_watchers {
	char job_id[ID_MAX + 1];
	struct part *parts;
	size_t part_count;
	UT_hash_handle hh;
};

struct remote_watchers {
	struct job_watchers *jobs;
};

struct remote_watchers *remote_watchers_create(void)
{
	return xcalloc(1, sizeof(struct remote_watchers));
}

static void drop(struct remote_watchers *a, struct job_watchers *job)
{
	HASH_DEL(a->jobs, job);
	free(job->parts);
	free(job);
}

void remote_watchers_free(struct remote_watchers *a)
{
	struct job_watchers *job, *next;

	if (!a)
		return;
	HASH_ITER(hh, a->jobs, job, next)
		drop(a, job);
	free(a);
}

static struct job_watchers *find(const struct remote_watchers *a, const char *job_id)
{
	struct job_watchers *job;

	HASH_FIND_STR(a->jobs, job_id, job);
	return job;
}

static void set_part(struct job_watchers *job, unsigned loop, unsigned count)
{
	size_t i = 0;

	while (i < job->part_count && job->parts[i].loop != loop)
		i++;
	if (count == 0) {
		if (i < job->part_count)
			job->parts[i] = job->parts[--job->part_count];
		return;
	}
	if (i == job->part_count)
		job->parts = xrealloc(job->parts, ++job->part_count * sizeof(*job->parts));
	job->parts[i] = (struct part){ loop, count };
}

void remote_watchers_set(struct remote_watchers *a, const char *job_id, unsigned loop,
                         unsigned count)
{
	struct job_watchers *job = find(a, job_id);

	if (!job) {
		if (!count)
			return;
		job = xcalloc(1, sizeof(*job));
		strncpy(job->job_id, job_id, ID_MAX);
		HASH_ADD_STR(a->jobs, job_id, job);
	}
	set_part(job, loop, count);
	if (!job->part_count)
		drop(a, job);
}

unsigned remote_watchers_total(const struct remote_watchers *a, const char *job_id)
{
	const struct job_watchers *job = find(a, job_id);
	unsigned total = 0;

	for (size_t i = 0; job && i < job->part_count; i++)
		total += job->parts[i].count;
	return total;
}
