/*
 * The rows of jobs and days, which outlive their jobs.  They refer to the keys of the jobs, which
 * are others in the copy; the jobs that are no more get negative ones there, which no job has.
 */
#include <stdlib.h>
#include <string.h>

#include "copying.h"
#include "joblight/base/digest.h"
#include "joblight/base/xalloc.h"

#define PAGE_ROWS 1000
#define BUDGET 1000 /* rows that are removed in one transaction */

struct days {
	struct copying *copying;
	struct copied_key *gone; /* jobs that are no more, in the order of `from` */
	size_t gone_count;
	struct job_day_row page[PAGE_ROWS];
	size_t count;
	uint64_t written[4], read[4]; /* sums of the digests of all rows */
};

/* ---- keys ---- */

static int compare_keys(const void *a, const void *b)
{
	const struct copied_key *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static const struct copied_key *find_key(const struct copied_key *keys, size_t count, int64_t from)
{
	struct copied_key key = { .from = from };

	return count ? bsearch(&key, keys, count, sizeof(key), compare_keys) : NULL;
}

static bool keep_gone(void *context, const struct job_day_row *row)
{
	struct days *d = context;
	struct copying *c = d->copying;

	if (find_key(c->keys, c->key_count, row->job))
		return true;
	if (d->gone_count % 1024 == 0)
		d->gone = xrealloc(d->gone, (d->gone_count + 1024) * sizeof(*d->gone));
	d->gone[d->gone_count++].from = row->job;
	return true;
}

/* Numbers the jobs that are no more: -1, -2 … */
static void number_gone(struct days *d)
{
	size_t count = 0;

	if (d->gone_count)
		qsort(d->gone, d->gone_count, sizeof(*d->gone), compare_keys);
	for (size_t i = 0; i < d->gone_count; i++) {
		if (count && d->gone[count - 1].from == d->gone[i].from)
			continue;
		d->gone[count] = (struct copied_key){ d->gone[i].from, -(int64_t)count - 1 };
		count++;
	}
	d->gone_count = count;
}

static int64_t key_of(const struct days *d, int64_t from)
{
	const struct copied_key *key = find_key(d->copying->keys, d->copying->key_count, from);

	if (!key)
		key = find_key(d->gone, d->gone_count, from);
	return key ? key->to : 0;
}

/* ---- sums ---- */

static void add_row(uint64_t sums[4], const struct job_day_row *r)
{
	int64_t fields[] = {
		r->day,
		r->job,
		r->status,
		r->created,
		r->ended,
		(int64_t)r->events,
		(int64_t)r->bytes,
		r->tasks,
		r->completed,
		r->failed,
		r->cancelled,
		r->deliverables,
	};
	char bytes[sizeof(fields) + ID_MAX + 1] = "";
	uint8_t digest[DIGEST_LEN];
	uint64_t words[4];

	memcpy(bytes, fields, sizeof(fields));
	memcpy(bytes + sizeof(fields), r->id, strlen(r->id));
	digest_sha256((struct slice){ bytes, sizeof(bytes) }, digest);
	memcpy(words, digest, sizeof(words));
	for (size_t i = 0; i < 4; i++)
		sums[i] += words[i];
}

static bool add_read(void *context, const struct job_day_row *row)
{
	struct days *d = context;

	add_row(d->read, row);
	d->copying->rows++;
	return true;
}

static bool compare(struct days *d)
{
	struct copying *c = d->copying;

	if (c->back->ops->begin(c->back) != STORE_OK)
		return copy_back_failed(c);
	enum store_result r = c->back->ops->job_days(c->back, INT64_MIN, INT64_MIN, SIZE_MAX,
	                                             add_read, d);
	c->back->ops->rollback(c->back);
	if (r != STORE_OK && r != STORE_NONE)
		return copy_back_failed(c);
	if (memcmp(d->read, d->written, sizeof(d->read)) == 0)
		return true;
	fprintf(stderr, "joblight: %s: the rows of days are not those that were written\n",
	        c->to_name);
	return false;
}

/* ---- writing ---- */

/* Those of an earlier copy, of which some may belong to nothing any more. */
static bool remove_all(struct copying *c)
{
	static const struct prune_limits limits = { INT64_MIN, INT64_MIN, INT64_MAX, INT64_MAX,
		                                    INT64_MAX };
	struct store *to = c->to;
	enum store_result r = STORE_OK;

	while (r == STORE_OK && !atomic_load(c->stop)) {
		r = to->ops->begin(to);
		if (r == STORE_OK)
			r = to->ops->prune(to, &limits, BUDGET);
		if (r == STORE_OK)
			r = to->ops->commit(to);
		if (r != STORE_OK)
			to->ops->rollback(to);
	}
	return r == STORE_OK || r == STORE_NONE || copy_write_failed(c);
}

static bool keep_row(void *context, const struct job_day_row *row)
{
	struct days *d = context;

	d->page[d->count++] = *row;
	return true;
}

static bool write_page(struct days *d)
{
	struct store *to = d->copying->to;
	enum store_result r = to->ops->begin(to);

	for (size_t i = 0; i < d->count && r == STORE_OK; i++) {
		d->page[i].job = key_of(d, d->page[i].job);
		r = to->ops->job_day_put(to, &d->page[i]);
		add_row(d->written, &d->page[i]);
	}
	if (r == STORE_OK)
		r = to->ops->commit(to);
	if (r == STORE_OK)
		return true;
	to->ops->rollback(to);
	return copy_write_failed(d->copying);
}

static bool write_all(struct days *d)
{
	struct copying *c = d->copying;
	int64_t day = INT64_MIN, job = INT64_MIN;
	bool ok = true;

	do {
		d->count = 0;
		enum store_result r = c->from->ops->job_days(c->from, day, job, PAGE_ROWS, keep_row,
		                                             d);
		ok = r == STORE_OK || r == STORE_NONE || copy_read_failed(c);
		if (d->count) {
			day = d->page[d->count - 1].day;
			job = d->page[d->count - 1].job;
		}
		ok = ok && write_page(d) && !atomic_load(c->stop);
	} while (ok && d->count == PAGE_ROWS);
	return ok;
}

bool copy_days(struct copying *c)
{
	struct days *d = xcalloc(1, sizeof(*d));

	d->copying = c;
	bool ok = copy_read_again(c) && remove_all(c);
	enum store_result r = ok ? c->from->ops->job_days(c->from, INT64_MIN, INT64_MIN, SIZE_MAX,
	                                                  keep_gone, d)
	                         : STORE_OK;
	if (r != STORE_OK && r != STORE_NONE)
		ok = copy_read_failed(c);
	number_gone(d);
	ok = ok && write_all(d) && compare(d);
	free(d->gone);
	free(d);
	return ok;
}
