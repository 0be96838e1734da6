/*
 * The jobs are walked in the order in which they were created, so that lists of the copy have the
 * same order.  A job that the copy has already is left there if it is the same; from the first one
 * on that is not, all are written again, for the sake of that order.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy_batch.h"
#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/job_check.h"
#include "joblight/core/timeline.h"

#define PAGE_JOBS 256
#define PROGRESS_MS 200

struct walk {
	struct copying *copying;
	int64_t *keys; /* of all jobs of the original, in their order */
	size_t count;
	struct job_row rows[PAGE_JOBS]; /* owns its texts */
	size_t row_count;
	struct copy_batch batch;
	bool rewrites; /* a job before this one was written */
};

/* ---- the walk ---- */

static bool keep_key(void *context, const struct job_row *row)
{
	struct walk *w = context;

	if (w->count % 4096 == 0)
		w->keys = xrealloc(w->keys, (w->count + 4096) * sizeof(*w->keys));
	w->keys[w->count++] = row->key;
	return true;
}

/* They come newest first. */
static bool read_keys(struct walk *w)
{
	struct store *s = w->copying->from;
	enum store_result r = s->ops->jobs(s, -1, 0, SIZE_MAX, keep_key, w);

	for (size_t i = 0; i < w->count / 2; i++) {
		int64_t key = w->keys[i];
		w->keys[i] = w->keys[w->count - 1 - i];
		w->keys[w->count - 1 - i] = key;
	}
	return r == STORE_OK || r == STORE_NONE || copy_read_failed(w->copying);
}

static bool keep_row(void *context, const struct job_row *row)
{
	struct walk *w = context;
	struct job_row *copy = &w->rows[w->row_count++];

	*copy = *row;
	copy->title = xstrdup(row->title);
	copy->metadata = xstrdup(row->metadata);
	return true;
}

static void forget_rows(struct walk *w)
{
	for (size_t i = 0; i < w->row_count; i++)
		job_row_finish(&w->rows[i]);
	w->row_count = 0;
}

/* The rows of keys[at] and those after it, newest first. */
static bool read_rows(struct walk *w, size_t at)
{
	struct store *s = w->copying->from;
	size_t limit = w->count - at < PAGE_JOBS ? w->count - at : PAGE_JOBS;

	forget_rows(w);
	enum store_result r = s->ops->jobs(s, -1, w->keys[at + limit - 1] + 1, limit, keep_row, w);
	return r == STORE_OK || r == STORE_NONE || copy_read_failed(w->copying);
}

static void show_progress(struct copying *c, size_t at, size_t count)
{
	uint64_t now = clock_monotonic_ms();

	if (!isatty(STDERR_FILENO) || (now - c->printed_ms < PROGRESS_MS && at < count))
		return;
	c->printed_ms = now;
	fprintf(stderr, "\r%zu of %zu jobs%s", at, count, at == count ? "\n" : "");
}

/* ---- one job ---- */

static void report_fault(void *context, const char *job_id, const char *words)
{
	copy_fault(context, job_id, words);
}

/* Whether the job is worth copying.  *ok: it can go on after it. */
static bool is_sound(struct copying *c, const struct job_row *row, bool *ok)
{
	struct job_check counts = { 0 };
	enum store_result r = job_check_one(c->from, c->scratch, row, report_fault, c, &counts);

	*ok = true;
	if (r == STORE_OK)
		return !counts.faults;
	copy_fault(c, row->id, store_error(c->from));
	*ok = copy_read_again(c);
	return false;
}

/* What the copy has of the job: *old with key 0 if nothing, and whether that is the same. */
static enum store_result read_old(struct copying *c, const struct job_row *row, struct job_row *old,
                                  struct job_digest *digest)
{
	struct store *s = c->back;
	enum store_result r = s->ops->begin(s);

	if (r == STORE_OK)
		r = s->ops->job_get(s, row->id, old);
	if (r == STORE_OK)
		r = job_digest(s, old, digest);
	s->ops->rollback(s);
	job_row_finish(old);
	old->title = old->metadata = NULL;
	return r;
}

/* False after a message.  *there: nothing is to be written. */
static bool look_at_old(struct walk *w, const struct job_row *row, struct job_row *old, bool *there)
{
	struct copying *c = w->copying;
	struct job_digest original, copy;

	*there = false;
	if (!c->known)
		return true;
	enum store_result r = read_old(c, row, old, &copy);
	if (r != STORE_OK && r != STORE_NONE)
		return copy_back_failed(c);
	if (r == STORE_NONE || w->rewrites)
		return true;
	if (job_digest(c->from, row, &original) != STORE_OK)
		return copy_read_failed(c);
	*there = job_digest_same(&original, &copy, c->shift, TIMELINE_JUMP_MS);
	c->same += *there;
	if (*there)
		copy_add_job(c, row->key, old->key, &original);
	return true;
}

/* Whether it was read how large the job is. */
static bool measure(struct copying *c, const struct job_row *row, struct copy_room *room,
                    bool *fits)
{
	return job_copy_fits(c->from, row, room, fits) == STORE_OK || copy_read_failed(c);
}

/* Puts the job into the batch, after writing the batch if there is no room. */
static bool add_to_batch(struct walk *w, const struct job_row *row, const struct job_row *old)
{
	struct copying *c = w->copying;
	struct copy_batch *b = &w->batch;
	bool fits = false;

	if (b->count < BATCH_JOBS && !measure(c, row, &b->room, &fits))
		return false;
	if (!fits && !copy_batch_write(c, b, true))
		return false;
	if (!fits && !measure(c, row, &b->room, &fits))
		return false;
	copy_batch_add(b, row, old->key ? old : NULL);
	return fits || copy_batch_write(c, b, false);
}

static bool copy_job(struct walk *w, const struct job_row *row)
{
	struct copying *c = w->copying;
	struct job_row old = { .key = 0 };
	bool there, ok;

	c->jobs++;
	if (!is_sound(c, row, &ok))
		return ok;
	if (!look_at_old(w, row, &old, &there))
		return false;
	if (there)
		return true;
	w->rewrites = true;
	return add_to_batch(w, row, &old);
}

/* A transaction of its own for each page: the original does not change. */
static bool copy_page(struct walk *w, size_t at)
{
	struct copying *c = w->copying;

	if (!copy_read_again(c) || !read_rows(w, at))
		return false;
	for (size_t i = w->row_count; i-- > 0;) {
		if (atomic_load(c->stop))
			return false;
		if (!copy_job(w, &w->rows[i]))
			return false;
		show_progress(c, c->jobs, w->count);
	}
	return true;
}

bool copy_jobs(struct copying *c)
{
	struct walk *w = xcalloc(1, sizeof(*w));

	w->copying = c;
	copy_batch_start(&w->batch);
	bool ok = read_keys(w);
	for (size_t at = 0; at < w->count && ok; at += PAGE_JOBS)
		ok = copy_page(w, at);
	ok = ok && copy_batch_write(c, &w->batch, true);
	copy_batch_start(&w->batch);
	forget_rows(w);
	free(w->keys);
	free(w);
	return ok;
}
