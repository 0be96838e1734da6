#include "joblight/core/job_digest.h"

#include "joblight/base/buf.h"

/* A row is written as bytes that no other row has: each field has a fixed length or begins with
 * its own. */
struct sum {
	struct digest *all;
	struct buf row;
	struct job_digest *out;
};

static void put_u64(struct sum *s, uint64_t value)
{
	buf_add(&s->row, &value, sizeof(value));
}

static void put_i64(struct sum *s, int64_t value)
{
	put_u64(s, (uint64_t)value);
}

static void put_text(struct sum *s, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	put_u64(s, text ? len : UINT64_MAX);
	buf_add(&s->row, text ? text : "", len);
}

/* Every NaN means that there is no progress. */
static void put_progress(struct sum *s, double progress)
{
	double value = isnan(progress) ? -1 : progress;

	buf_add(&s->row, &value, sizeof(value));
}

static void end_row(struct sum *s, char kind)
{
	buf_char(&s->row, kind);
	digest_add(s->all, buf_as_slice(&s->row));
	s->row.len = 0;
	s->out->rows++;
}

static bool add_event(void *context, const struct event_row *row)
{
	struct sum *s = context;

	put_u64(s, row->seq);
	put_i64(s, row->type);
	put_i64(s, row->time);
	put_u64(s, row->json.len);
	buf_slice(&s->row, row->json);
	end_row(s, 'e');
	s->out->events++;
	return true;
}

static bool add_task(void *context, const struct task_row *row)
{
	struct sum *s = context;

	put_text(s, row->id);
	put_text(s, row->title);
	put_text(s, row->note);
	put_i64(s, row->status);
	put_progress(s, row->progress);
	put_i64(s, row->attempt);
	put_i64(s, row->silence_ms);
	put_i64(s, row->stalled);
	put_i64(s, row->stall_at != 0);
	put_i64(s, row->position);
	put_i64(s, row->created);
	put_i64(s, row->updated);
	put_i64(s, row->started);
	put_i64(s, row->ended);
	end_row(s, 't');
	s->out->waited_for += row->stall_at != 0;
	s->out->stall_at += (uint64_t)row->stall_at;
	return true;
}

static bool add_deliverable(void *context, const struct deliverable_row *row)
{
	struct sum *s = context;

	put_text(s, row->id);
	put_text(s, row->title);
	put_text(s, row->url);
	put_text(s, row->media_type);
	put_i64(s, row->created);
	end_row(s, 'd');
	return true;
}

static bool add_answer(void *context, const struct idempotency_row *row)
{
	struct sum *s = context;

	put_text(s, row->key);
	buf_add(&s->row, row->fingerprint, sizeof(row->fingerprint));
	put_i64(s, row->time);
	put_i64(s, row->outcome);
	put_u64(s, row->seq_first);
	put_u64(s, row->seq_last);
	put_text(s, row->epoch);
	put_text(s, row->body);
	end_row(s, 'a');
	return true;
}

static void add_job(struct sum *s, const struct job_row *row)
{
	put_text(s, row->id);
	put_text(s, row->epoch);
	put_text(s, row->title);
	put_text(s, row->metadata);
	put_i64(s, row->status);
	put_u64(s, row->seq);
	put_u64(s, row->first);
	put_u64(s, row->tasks);
	put_u64(s, row->deliverables);
	put_i64(s, row->silence_ms);
	put_i64(s, row->created);
	put_i64(s, row->updated);
	put_i64(s, row->ended);
	put_i64(s, row->imported);
	put_u64(s, row->bytes);
	put_u64(s, row->pruned);
	put_text(s, row->creator);
	end_row(s, 'j');
}

static enum store_result add_rows(struct sum *sum, struct store *s, int64_t key)
{
	char scope[ID_MAX + 1];
	enum store_result r = s->ops->events(s, key, 0, false, SIZE_MAX, add_event, sum);

	if (r == STORE_OK || r == STORE_NONE)
		r = s->ops->tasks(s, key, 0, add_task, sum);
	if (r == STORE_OK || r == STORE_NONE)
		r = s->ops->deliverables(s, key, add_deliverable, sum);
	job_scope(key, scope);
	if (r == STORE_OK || r == STORE_NONE)
		r = s->ops->answers(s, scope, "", SIZE_MAX, add_answer, sum);
	return r == STORE_NONE ? STORE_OK : r;
}

enum store_result job_digest(struct store *s, const struct job_row *row, struct job_digest *d)
{
	struct sum sum = { .all = digest_create(), .out = d };

	*d = (struct job_digest){ .rows = 0 };
	add_job(&sum, row);
	enum store_result r = add_rows(&sum, s, row->key);
	digest_result(sum.all, d->sha256);
	digest_free(sum.all);
	buf_finish(&sum.row);
	return r;
}

bool job_digest_same(const struct job_digest *a, const struct job_digest *b, int64_t shift,
                     uint64_t tolerance)
{
	uint64_t off = b->stall_at - a->stall_at - (uint64_t)shift * a->waited_for;

	off = off > INT64_MAX ? 0 - off : off;
	return digest_equal(a->sha256, b->sha256) && off <= tolerance * a->waited_for;
}
