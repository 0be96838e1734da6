/* What queries and their results are made of; src/core/query.c runs them. */
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/keyring.h"
#include "joblight/core/query.h"

bool read_query_equal(const struct read_query *a, const struct read_query *b)
{
	return a->kind == b->kind && strcmp(a->job_id, b->job_id) == 0 &&
	       a->position.kind == b->position.kind &&
	       strcmp(a->position.epoch, b->position.epoch) == 0 &&
	       a->position.seq == b->position.seq && a->position.time == b->position.time &&
	       a->from == b->from && a->descending == b->descending && a->status == b->status &&
	       a->ids == b->ids && a->below == b->below && a->limit == b->limit &&
	       a->bytes == b->bytes && a->export.part == b->export.part &&
	       a->export.seq == b->export.seq && a->export.row == b->export.row &&
	       strcmp(a->export.epoch, b->export.epoch) == 0 && a->viewer == b->viewer;
}

/* FNV-1a over the fields in which queries differ. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
	for (const unsigned char *at = bytes; len--; at++)
		hash = (hash ^ *at) * UINT64_C(1099511628211);
	return hash;
}

uint64_t read_query_hash(const struct read_query *q)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	hash = mix(hash, q->job_id, strlen(q->job_id));
	hash = mix(hash, q->position.epoch, strlen(q->position.epoch));
	hash = mix(hash, &q->position.seq, sizeof(q->position.seq));
	hash = mix(hash, &q->position.time, sizeof(q->position.time));
	hash = mix(hash, &q->from, sizeof(q->from));
	hash = mix(hash, &q->ids, sizeof(q->ids));
	hash = mix(hash, &q->export.seq, sizeof(q->export.seq));
	hash = mix(hash, &q->limit, sizeof(q->limit));
	return mix(hash, &q->kind, sizeof(q->kind));
}

struct snapshot *snapshot_create(const struct job_row *job)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));

	atomic_init(&s->references, 1);
	memcpy(s->job_id, job->id, sizeof(s->job_id));
	memcpy(s->epoch, job->epoch, sizeof(s->epoch));
	s->seq = job->seq;
	return s;
}

bool snapshot_hold(struct snapshot *s)
{
	unsigned count = atomic_load_explicit(&s->references, memory_order_relaxed);

	while (count)
		if (atomic_compare_exchange_weak_explicit(&s->references, &count, count + 1,
		                                          memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
	return false;
}

void snapshot_release(struct snapshot *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
		return;
	if (s->unused)
		s->unused(s);
	else
		snapshot_free(s);
}

void snapshot_free(struct snapshot *s)
{
	buf_finish(&s->text);
	free(s);
}

struct read_result *read_result_create(void)
{
	struct read_result *r = xcalloc(1, sizeof(*r));

	atomic_init(&r->references, 1);
	return r;
}

void read_result_hold(struct read_result *r)
{
	atomic_fetch_add_explicit(&r->references, 1, memory_order_relaxed);
}

void read_result_release(struct read_result *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->references, 1, memory_order_acq_rel) != 1)
		return;
	free(r->title);
	free(r->events);
	free(r->rows);
	free(r->heads);
	keyring_release(r->keyring);
	buf_finish(&r->text);
	snapshot_release(r->snapshot);
	problem_finish(&r->problem);
	free(r);
}
