#include "doubts.h"

#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"

static bool has(const struct doubts *d, const char *id)
{
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->ids[i], id) == 0)
			return true;
	return false;
}

static void add(struct doubts *d, const char *id)
{
	if (d->count == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 64;
		d->ids = xrealloc(d->ids, d->cap * sizeof(*d->ids));
	}
	memcpy(d->ids[d->count++], id, strlen(id) + 1);
}

void doubts_add(struct doubts *d, const struct op *ops)
{
	for (; ops; ops = (const struct op *)ops->mail.next)
		if (ops->job_id[0] && !has(d, ops->job_id))
			add(d, ops->job_id);
}

static bool add_head(void *context, const struct job_head *head)
{
	struct event *e = batch_add(context);

	memcpy(e->job_id, head->job_id, sizeof(e->job_id));
	memcpy(e->epoch, head->epoch, sizeof(e->epoch));
	e->is_head = true;
	e->seq = head->seq;
	e->job_status = head->status;
	return true;
}

/* A head without an epoch, for a job that is not there: it was deleted. */
static void add_absent(const struct doubts *d, struct batch *b)
{
	size_t found = b->count, next = 0;

	for (size_t i = 0; i < d->count; i++) {
		if (next < found && strcmp(b->events[next].job_id, d->ids[i]) == 0) {
			next++; /* they were visited in the order of the ids */
			continue;
		}
		struct event *e = batch_add(b);
		memcpy(e->job_id, d->ids[i], sizeof(e->job_id));
		e->is_head = true;
	}
}

struct batch *doubts_settle(struct doubts *d, struct store *s)
{
	enum store_result r = s->ops->begin(s);
	struct batch *b;

	if (r != STORE_OK)
		return NULL;
	b = batch_create();
	b->committed_us = b->submitted_us = clock_monotonic_us();
	r = s->ops->job_heads(s, (const char(*)[ID_MAX + 1]) d->ids, d->count, add_head, b);
	s->ops->rollback(s);
	if (r != STORE_OK && r != STORE_NONE) {
		batch_release(b);
		return NULL;
	}
	add_absent(d, b);
	d->count = 0;
	return b;
}

void doubts_finish(struct doubts *d)
{
	free(d->ids);
}
