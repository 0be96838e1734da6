#include "copy_batch.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

void copy_batch_start(struct copy_batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		job_row_finish(&b->jobs[i].row);
	b->count = 0;
	b->room = (struct copy_room){ BATCH_ROWS, BATCH_BYTES };
}

void copy_batch_add(struct copy_batch *b, const struct job_row *row, const struct job_row *old)
{
	struct batch_job *job = &b->jobs[b->count++];

	*job = (struct batch_job){ .row = *row };
	job->row.title = xstrdup(row->title);
	job->row.metadata = xstrdup(row->metadata);
	if (old)
		job->old = *old;
}

/* ---- writing ---- */

/* What failed. */
enum wrote { WROTE, NOT_READ, NOT_WRITTEN };

static enum store_result expect_jobs(struct store *to, struct batch_job *jobs, size_t count)
{
	struct expected_job expected[BATCH_JOBS];
	struct expected rows = { .jobs = expected, .job_count = count, .created = count };

	for (size_t i = 0; i < count; i++)
		expected[i] = (struct expected_job){ jobs[i].row.id, true };
	enum store_result r = to->ops->expect(to, &rows);
	return r == STORE_NONE ? STORE_OK : r;
}

static struct job_copy *begin_copy(struct copying *c, const struct batch_job *job)
{
	return job_copy_begin(c->from, &job->row, c->shift, job->old.key ? &job->old : NULL);
}

static enum wrote put_whole(struct copying *c, struct batch_job *job, enum store_result *r)
{
	struct job_copy *copy = begin_copy(c, job);
	bool done;

	*r = job_copy_piece(copy, c->to, NULL, &done);
	enum wrote wrote = job_copy_read_failed(copy) ? NOT_READ : NOT_WRITTEN;
	job->key = job_copy_key(copy);
	job_copy_free(copy);
	return *r == STORE_OK ? WROTE : wrote;
}

static enum wrote put_all(struct copying *c, struct batch_job *jobs, size_t count,
                          enum store_result *r)
{
	struct store *to = c->to;
	enum wrote wrote = NOT_WRITTEN;

	*r = to->ops->begin(to);
	if (*r == STORE_OK)
		*r = expect_jobs(to, jobs, count);
	for (size_t i = 0; i < count && *r == STORE_OK; i++)
		wrote = put_whole(c, &jobs[i], r);
	if (*r == STORE_OK) {
		wrote = NOT_WRITTEN;
		*r = to->ops->commit(to);
	}
	if (*r == STORE_OK)
		return WROTE;
	to->ops->rollback(to);
	return wrote;
}

/* One piece in a transaction of its own. */
static enum wrote put_piece(struct copying *c, struct job_copy *copy, bool *done)
{
	struct copy_room room = { BATCH_ROWS, BATCH_BYTES };
	struct store *to = c->to;
	enum store_result r = to->ops->begin(to);

	if (r == STORE_OK)
		r = job_copy_piece(copy, to, &room, done);
	if (r == STORE_OK)
		r = to->ops->commit(to);
	if (r == STORE_OK)
		return WROTE;
	to->ops->rollback(to);
	return job_copy_read_failed(copy) ? NOT_READ : NOT_WRITTEN;
}

static enum wrote put_in_pieces(struct copying *c, struct batch_job *job)
{
	struct job_copy *copy = begin_copy(c, job);
	enum wrote wrote = WROTE;
	bool done = false;

	while (!done && wrote == WROTE && !atomic_load(c->stop)) {
		wrote = put_piece(c, copy, &done);
		c->to->ops->checkpoint(c->to);
	}
	job->key = done ? job_copy_key(copy) : 0;
	job_copy_free(copy);
	return wrote;
}

/* ---- reading it again ---- */

static enum store_result drop_job(struct store *to, const struct batch_job *job)
{
	struct job_row row = job->row;
	enum store_result r = to->ops->begin(to);

	row.key = job->key;
	if (r == STORE_OK)
		r = to->ops->job_delete(to, &row);
	if (r == STORE_OK || r == STORE_NONE)
		r = to->ops->commit(to);
	if (r != STORE_OK)
		to->ops->rollback(to);
	return r;
}

/* Whether the job is in the copy as it is in the original. */
static bool compare(struct copying *c, const struct batch_job *job, bool *same)
{
	struct job_row row = { .key = 0 };
	struct job_digest original, copy;
	enum store_result r = c->back->ops->job_get(c->back, job->row.id, &row);

	if (r == STORE_OK)
		r = job_digest(c->back, &row, &copy);
	job_row_finish(&row);
	*same = false;
	if (r != STORE_OK && r != STORE_NONE)
		return copy_back_failed(c);
	if (job_digest(c->from, &job->row, &original) != STORE_OK)
		return copy_read_failed(c);
	*same = r == STORE_OK && job_digest_same(&original, &copy, c->shift, 0);
	if (*same) {
		c->copied++;
		copy_add_job(c, job->row.key, row.key, &original);
	}
	return true;
}

static bool compare_all(struct copying *c, const struct batch_job *jobs, size_t count)
{
	bool ok = c->back->ops->begin(c->back) == STORE_OK || copy_back_failed(c);
	bool began = ok, same;

	for (size_t i = 0; i < count && ok; i++) {
		ok = compare(c, &jobs[i], &same);
		if (!ok || same)
			continue;
		copy_fault(c, jobs[i].row.id, "what was written is not what is read again");
		ok = drop_job(c->to, &jobs[i]) == STORE_OK || copy_write_failed(c);
	}
	if (began)
		c->back->ops->rollback(c->back);
	return ok;
}

/* ---- both ---- */

/* One job that a transaction has failed by. */
static bool give_up(struct copying *c, const struct batch_job *job, enum wrote wrote)
{
	copy_fault(c, job->row.id, store_error(wrote == NOT_READ ? c->from : c->to));
	return wrote == NOT_WRITTEN || copy_read_again(c);
}

static bool write_each(struct copying *c, struct batch_job *jobs, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count && ok; i++) {
		enum store_result r;
		enum wrote wrote = put_all(c, &jobs[i], 1, &r);
		if (wrote == WROTE)
			ok = compare_all(c, &jobs[i], 1);
		else
			ok = wrote == NOT_WRITTEN && r != STORE_CONFLICT
			         ? copy_write_failed(c)
			         : give_up(c, &jobs[i], wrote);
	}
	return ok;
}

/* When the transaction fails by one of the jobs, they are written one after another. */
static bool write_whole(struct copying *c, struct copy_batch *b)
{
	enum store_result r;
	enum wrote wrote = put_all(c, b->jobs, b->count, &r);

	if (wrote == WROTE)
		return compare_all(c, b->jobs, b->count);
	if (wrote == NOT_READ && !copy_read_again(c))
		return false;
	return write_each(c, b->jobs, b->count);
}

static bool write_in_pieces(struct copying *c, struct batch_job *job)
{
	enum wrote wrote = put_in_pieces(c, job);

	if (wrote != WROTE)
		return give_up(c, job, wrote);
	return !job->key || compare_all(c, job, 1);
}

bool copy_batch_write(struct copying *c, struct copy_batch *b, bool whole)
{
	bool ok = true;

	if (b->count)
		ok = whole ? write_whole(c, b) : write_in_pieces(c, &b->jobs[0]);
	c->to->ops->checkpoint(c->to);
	copy_batch_start(b);
	return ok;
}
