#include "joblight/core/fold.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "decode_row.h"

static char *own(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = own(text);
}

void fold_begin(struct fold *f, struct store *store, int64_t key, const char *id, const char *epoch,
                uint64_t first)
{
	*f = (struct fold){ .store = store, .key = key, .whole = first == 1 };
	snprintf(f->row.id, sizeof(f->row.id), "%s", id);
	snprintf(f->row.epoch, sizeof(f->row.epoch), "%s", epoch);
	f->row.first = first;
	f->row.seq = first - 1;
	f->row.title = xstrdup("");
	f->row.metadata = xstrdup("{}");
}

void fold_finish(struct fold *f)
{
	job_row_finish(&f->row);
}

/* ---- one function for each type ---- */

static enum store_result put_task(struct fold *f, const struct task_row *said, int64_t time)
{
	const struct store_ops *ops = f->store->ops;
	struct task_row row = { 0 };
	enum store_result r = ops->task_get(f->store, f->key, said->id, &row);

	if (r == STORE_NONE) {
		row = (struct task_row){ .position = f->row.tasks++, .created = time };
		memcpy(row.id, said->id, sizeof(row.id));
	} else if (r != STORE_OK) {
		return r;
	}
	set_text(&row.title, said->title);
	set_text(&row.note, said->note);
	row.progress = said->progress;
	row.attempt = said->attempt;
	row.silence_ms = said->silence_ms;
	row.stalled = said->stalled;
	row.updated = time;
	task_row_set_status(&row, said->status, time);
	r = ops->task_put(f->store, f->key, &row);
	task_row_finish(&row);
	return r;
}

static enum store_result task_update(struct fold *f, const struct event_content *e,
                                     const char **fault)
{
	(void)fault;
	return put_task(f, e->tasks, e->time);
}

static enum store_result job_update(struct fold *f, const struct event_content *e,
                                    const char **fault)
{
	enum store_result r = STORE_OK;

	if (f->whole && e->created != (e->seq == 1)) {
		*fault = "a job is created by its first event, and by no other";
		return STORE_OK;
	}
	set_text(&f->row.title, e->title);
	f->row.status = e->status;
	f->row.silence_ms = e->silence_ms;
	if (e->metadata.ptr) {
		free(f->row.metadata);
		f->row.metadata = xmemdup(e->metadata.ptr, e->metadata.len);
	}
	if (job_status_terminal(e->status))
		f->row.ended = e->time;
	for (size_t i = 0; f->whole && i < e->task_count && r == STORE_OK; i++)
		r = put_task(f, &e->tasks[i], e->time);
	return r;
}

static enum store_result deliverable(struct fold *f, const struct event_content *e,
                                     const char **fault)
{
	struct deliverable_row row = e->deliverable, known = { 0 };
	enum store_result r = f->store->ops->deliverable_get(f->store, f->key, row.id, &known);

	deliverable_row_finish(&known);
	if (r == STORE_OK)
		*fault = "the job has this deliverable already";
	if (r != STORE_NONE)
		return r;
	row.created = e->time;
	f->row.deliverables++;
	return f->store->ops->deliverable_put(f->store, f->key, &row);
}

/* What is not in the table, such as a command, changes no row.  Those that write rows are left out
 * when the log is not whole. */
static const struct {
	enum store_result (*take)(struct fold *f, const struct event_content *e,
	                          const char **fault);
	bool writes;
} types[EVENT_LOGGED_COUNT] = {
	[EVENT_TASK_UPDATE] = { task_update, true },
	[EVENT_JOB_UPDATE] = { job_update, false },
	[EVENT_DELIVERABLE] = { deliverable, true },
};

/* ---- the order ---- */

static const char *out_of_order(const struct fold *f, const struct event_content *e)
{
	if (strcmp(e->job_id, f->row.id) != 0)
		return "it is an event of another job";
	if (e->seq != f->row.seq + 1)
		return e->seq <= f->row.seq ? "this event was there before"
		                            : "an event is missing before it";
	if (f->row.ended)
		return "the job has ended before it";
	if (e->time < f->row.updated)
		return "it is earlier than the event before it";
	if (f->whole && e->seq == 1 && (e->type != EVENT_JOB_UPDATE || !e->created))
		return "the first event does not create the job";
	return NULL;
}

static enum store_result take(struct fold *f, const struct event_content *e, const char **fault)
{
	*fault = out_of_order(f, e);
	if (*fault)
		return STORE_OK;
	if (types[e->type].take && (f->whole || !types[e->type].writes)) {
		enum store_result r = types[e->type].take(f, e, fault);
		if (r != STORE_OK || *fault)
			return r;
	}
	if (f->row.seq + 1 == f->row.first)
		f->row.created = e->time;
	f->row.seq = e->seq;
	f->row.updated = e->time;
	return STORE_OK;
}

enum store_result fold_event(struct fold *f, struct slice json, enum event_type *type,
                             int64_t *time, const char **fault)
{
	struct event_content e;
	enum store_result r = STORE_OK;

	*fault = decode_event(json, &e);
	if (!*fault)
		r = take(f, &e, fault);
	if (!*fault && r == STORE_OK)
		f->row.bytes += json.len;
	*type = e.type;
	*time = e.time;
	event_content_finish(&e);
	return r;
}
