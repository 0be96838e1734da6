#include "joblight/core/job_export.h"

#include "joblight/core/encode.h"
#include "joblight/core/json.h"

struct page {
	struct store *store;
	struct export_at *at;
	struct buf *out;
	size_t end; /* the page is full when `out` has so many bytes */
	bool full;
	bool gap; /* an event is not the one that was expected */
	uint64_t skip;
};

static bool is_full(struct page *p)
{
	p->full = p->out->len >= p->end;
	return p->full;
}

static bool add_event(void *context, const struct event_row *row)
{
	struct page *p = context;

	if (row->seq != p->at->seq + 1) {
		p->gap = true;
		return false;
	}
	p->at->seq = row->seq;
	buf_slice(p->out, row->json);
	buf_char(p->out, '\n');
	return !is_full(p);
}

static bool add_task(void *context, const struct task_row *row)
{
	struct page *p = context;

	p->at->row++;
	buf_text(p->out, "{\"task\":");
	encode_task(p->out, row);
	buf_text(p->out, "}\n");
	return !is_full(p);
}

static bool add_deliverable(void *context, const struct deliverable_row *row)
{
	struct page *p = context;

	if (p->skip) {
		p->skip--;
		return true;
	}
	p->at->row++;
	buf_text(p->out, "{\"deliverable\":");
	encode_deliverable(p->out, row);
	buf_text(p->out, "}\n");
	return !is_full(p);
}

static void add_head(struct page *p, const struct job_row *job)
{
	memcpy(p->at->epoch, job->epoch, sizeof(p->at->epoch));
	p->at->first = job->first;
	p->at->seq = job->first - 1;
	buf_format(p->out,
	           "{\"joblight\":\"job\",\"version\":%d,\"id\":\"%s\",\"epoch\":\"%s\","
	           "\"first\":%llu}\n",
	           EXPORT_VERSION, job->id, job->epoch, (unsigned long long)job->first);
}

static void add_job(struct page *p, const struct job_row *job)
{
	buf_text(p->out, "{\"job\":{");
	encode_job_head(p->out, job);
	encode_job_position(p->out, job);
	buf_format(p->out, "},\"bytes\":%llu", (unsigned long long)job->bytes);
	if (job->creator[0])
		json_text(p->out, "creator", job->creator);
	buf_text(p->out, "}\n");
}

/* Goes on to the part after this one. */
static void next_part(struct page *p, const struct job_row *job)
{
	if (p->at->part == EXPORT_TASKS)
		p->at->tasks = (uint32_t)p->at->row;
	if (p->at->part == EXPORT_DELIVERABLES)
		p->at->deliverables = (uint32_t)p->at->row;
	p->at->row = 0;
	p->at->part++;
	if (p->at->part == EXPORT_TASKS && !job->ended)
		p->end = SIZE_MAX;
	if (p->at->part == EXPORT_DONE)
		add_job(p, job);
}

static enum store_result add_part(struct page *p, const struct job_row *job)
{
	const struct store_ops *ops = p->store->ops;

	switch (p->at->part) {
	case EXPORT_HEAD:
		add_head(p, job);
		return STORE_OK;
	case EXPORT_EVENTS:
		return ops->events(p->store, job->key, p->at->seq, false, SIZE_MAX, add_event, p);
	case EXPORT_TASKS:
		return ops->tasks(p->store, job->key, (uint32_t)p->at->row, add_task, p);
	default:
		p->skip = p->at->row;
		return ops->deliverables(p->store, job->key, add_deliverable, p);
	}
}

static enum export_result add_parts(struct page *p, const struct job_row *job)
{
	while (p->at->part != EXPORT_DONE) {
		enum store_result r = add_part(p, job);
		if (r != STORE_OK && r != STORE_NONE)
			return EXPORT_FAILED;
		if (p->gap)
			return EXPORT_CHANGED;
		if (p->full)
			return EXPORT_OK;
		next_part(p, job);
	}
	return p->at->seq == job->seq ? EXPORT_OK : EXPORT_CHANGED;
}

/* What was pruned before the last event that was written does not matter any more. */
static bool has_changed(const struct export_at *at, const struct job_row *job)
{
	return at->part != EXPORT_HEAD && (strcmp(at->epoch, job->epoch) != 0 ||
	                                   (at->part == EXPORT_EVENTS && job->first > at->seq + 1));
}

enum export_result job_export_page(struct store *s, const char *job_id, struct export_at *at,
                                   size_t bytes, struct buf *out)
{
	struct page p = { .store = s, .at = at, .out = out, .end = out->len + bytes };
	struct job_row job = { 0 };
	enum store_result r = s->ops->job_get(s, job_id, &job);
	enum export_result result;

	if (r != STORE_OK)
		return r == STORE_NONE && at->part == EXPORT_HEAD ? EXPORT_NO_JOB
		       : r == STORE_NONE                          ? EXPORT_CHANGED
		                                                  : EXPORT_FAILED;
	result = has_changed(at, &job) ? EXPORT_CHANGED : add_parts(&p, &job);
	job_row_finish(&job);
	return result;
}

void job_export_end(const struct export_at *at, const uint8_t sha256[DIGEST_LEN], struct buf *out)
{
	char hex[2 * DIGEST_LEN + 1];

	digest_hex(sha256, DIGEST_LEN, hex);
	buf_format(out,
	           "{\"end\":{\"events\":%llu,\"tasks\":%u,\"deliverables\":%u,\"sha256\":\"%s\"}}"
	           "\n",
	           (unsigned long long)(at->seq + 1 - at->first), at->tasks, at->deliverables, hex);
}
