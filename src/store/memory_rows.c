/* The rows of jobs: tasks, deliverables, events, and jobs that are being imported. */
#include <stdio.h>

#include "joblight/base/xalloc.h"
#include "memory.h"

static enum store_result refuse(struct store *base, const char *why)
{
	snprintf(base->error, sizeof base->error, "%s", why);
	memory_session(base)->failed = STORE_BROKEN;
	return STORE_BROKEN;
}

/* ---- names ---- */

void name_add(struct name *n, const void *bytes, size_t len)
{
	assert(len <= sizeof n->bytes - n->len);
	memcpy(n->bytes + n->len, bytes, len);
	n->len += len;
}

struct name name_of(enum item_kind kind, int64_t job, const void *id, size_t id_len)
{
	struct name n = { 1, { (char)kind } };

	name_add(&n, &job, sizeof job);
	name_add(&n, id, id_len);
	return n;
}

/* ---- jobs ---- */

static void job_copy(struct job_row *to, const struct job_row *from)
{
	*to = *from;
	to->title = own(from->title);
	to->metadata = own(from->metadata);
}

struct job *memory_job_at(struct memory *m, int64_t key)
{
	struct job *job = key > 0 && (uint64_t)key <= m->job_count ? m->jobs[key - 1] : NULL;

	return job && job->item.row ? job : NULL;
}

void memory_job_set(struct memory *m, struct job *job, const struct job_row *row)
{
	struct job_row *copy = xmalloc(sizeof *copy);
	struct name name = { .len = job->item.hh.keylen };

	job_copy(copy, row);
	memcpy(name.bytes, job->item.name, name.len);
	item_put(m, ITEM_JOB, &name, NULL, copy);
}

static struct job *job_make(struct memory *m, const struct name *name)
{
	struct job *job = (struct job *)item_new(m, ITEM_JOB, name, NULL);

	if (m->job_count == m->job_room) {
		m->job_room = m->job_room ? 2 * m->job_room : 64;
		m->jobs = xrealloc(m->jobs, m->job_room * sizeof *m->jobs);
	}
	m->jobs[m->job_count++] = job;
	job->key = (int64_t)m->job_count;
	list_init(&job->tasks);
	list_init(&job->deliverables);
	list_init(&job->events);
	list_init(&job->answers);
	return job;
}

enum store_result memory_job_get(struct store *base, const char *id, struct job_row *row)
{
	struct name name = name_of(ITEM_JOB, 0, id, strlen(id));
	struct item *item = item_find(memory_of(base), &name);

	if (!item)
		return STORE_NONE;
	job_copy(row, item->row);
	return STORE_OK;
}

enum store_result memory_job_heads(struct store *base, const char (*ids)[ID_MAX + 1], size_t count,
                                   job_head_visit *visit, void *context)
{
	enum store_result found = STORE_NONE;

	for (size_t i = 0; i < count; i++) {
		struct name name = name_of(ITEM_JOB, 0, ids[i], strlen(ids[i]));
		const struct item *item = item_find(memory_of(base), &name);
		const struct job_row *row = item ? item->row : NULL;
		struct job_head head = { 0 };
		if (!row)
			continue;
		memcpy(head.job_id, row->id, sizeof(head.job_id));
		memcpy(head.epoch, row->epoch, sizeof(head.epoch));
		head.seq = row->seq;
		head.status = row->status;
		found = STORE_OK;
		if (!visit(context, &head))
			break;
	}
	return found;
}

enum store_result memory_job_put(struct store *base, struct job_row *row)
{
	struct memory *m = memory_of(base);
	struct name name = name_of(ITEM_JOB, 0, row->id, strlen(row->id));
	struct job *job = memory_job_at(m, row->key);

	if (row->key && !job)
		return STORE_NONE;
	if (!row->key && item_find(m, &name))
		return refuse(base, "writing: there is a job with this id");
	if (!row->key) {
		job = job_make(m, &name);
		row->key = job->key;
	}
	memory_job_set(m, job, row);
	return STORE_OK;
}

enum store_result memory_job_delete(struct store *base, const struct job_row *row)
{
	struct memory *m = memory_of(base);
	struct job *job = memory_job_at(m, row->key);

	if (!job)
		return STORE_NONE;
	item_drop(m, &job->item);
	return STORE_OK;
}

enum store_result memory_jobs(struct store *base, int status, int64_t below_key, size_t limit,
                              job_visit *visit, void *context)
{
	struct memory *m = memory_of(base);
	int64_t key = below_key && (uint64_t)below_key <= m->job_count ? below_key - 1
	                                                               : (int64_t)m->job_count;
	size_t rows = 0;

	for (; key > 0 && rows < limit; key--) {
		const struct job *job = memory_job_at(m, key);
		const struct job_row *row = job && !memory_job_is_hidden(job) ? job->item.row
		                                                              : NULL;
		if (!row || (status >= 0 && (int)row->status != status))
			continue;
		rows++;
		if (!visit(context, row))
			break;
	}
	return rows ? STORE_OK : STORE_NONE;
}

enum store_result memory_open_jobs(struct store *base, const char *creator, uint64_t limit,
                                   uint64_t *count)
{
	struct memory *m = memory_of(base);

	*count = 0;
	for (size_t i = 0; i < m->job_count && *count < limit; i++) {
		const struct job *job = memory_job_at(m, (int64_t)i + 1);
		const struct job_row *row = job ? job->item.row : NULL;
		if (row && creator[0] && !row->ended && strcmp(row->creator, creator) == 0)
			++*count;
	}
	return STORE_OK;
}

/* ---- tasks ---- */

static void task_copy(struct task_row *to, const struct task_row *from)
{
	*to = *from;
	to->title = own(from->title);
	to->note = own(from->note);
}

enum store_result memory_task_get(struct store *base, int64_t job, const char *id,
                                  struct task_row *row)
{
	struct name name = name_of(ITEM_TASK, job, id, strlen(id));
	struct item *item = item_find(memory_of(base), &name);

	if (!item)
		return STORE_NONE;
	task_copy(row, item->row);
	return STORE_OK;
}

/* Moves the item before those of its group with a higher position. */
static void task_place(struct item *item, struct list *group)
{
	const struct task_row *row = item->row;
	struct list *before = item->in_order.prev;

	while (before != group) {
		const struct task_row *other = container_of(before, struct item, in_order)->row;
		if (other && other->position < row->position)
			break;
		before = before->prev;
	}
	list_remove(&item->in_order);
	list_append(before->next, &item->in_order);
}

enum store_result memory_task_put(struct store *base, int64_t job, const struct task_row *row)
{
	struct memory *m = memory_of(base);
	struct name name = name_of(ITEM_TASK, job, row->id, strlen(row->id));
	struct job *of = memory_job_at(m, job);
	struct task_row *copy;
	bool known = item_find(m, &name);
	struct item *item;

	if (!of)
		return refuse(base, "writing a task: there is no such job");
	copy = xmalloc(sizeof *copy);
	task_copy(copy, row);
	item = item_put(m, ITEM_TASK, &name, &of->tasks, copy);
	((struct task *)item)->job = job;
	if (!known)
		task_place(item, &of->tasks);
	return STORE_OK;
}

enum store_result memory_tasks(struct store *base, int64_t key, uint32_t from, task_visit *visit,
                               void *context)
{
	struct job *job = memory_job_at(memory_of(base), key);
	size_t rows = 0;

	for (struct list *node = job ? job->tasks.next : NULL; job && node != &job->tasks;
	     node = node->next) {
		const struct task_row *row = container_of(node, struct item, in_order)->row;
		if (row->position < from)
			continue;
		rows++;
		if (!visit(context, row))
			break;
	}
	return rows ? STORE_OK : STORE_NONE;
}

static bool count_task(void *context, const struct task_row *row)
{
	struct task_counts *c = context;
	bool over = row->status == TASK_COMPLETED || row->status == TASK_FAILED;

	c->total++;
	c->completed += row->status == TASK_COMPLETED;
	c->failed += row->status == TASK_FAILED;
	c->in_progress += row->status == TASK_IN_PROGRESS;
	c->cancelled += row->status == TASK_CANCELLED;
	if (over)
		c->done += 100;
	else if (row->status != TASK_CANCELLED && !isnan(row->progress))
		c->done += row->progress;
	return true;
}

enum store_result memory_task_counts(struct store *base, int64_t key, struct task_counts *counts)
{
	*counts = (struct task_counts){ 0 };
	memory_tasks(base, key, 0, count_task, counts);
	return STORE_OK;
}

enum store_result memory_overdue_tasks(struct store *base, int64_t now, size_t limit,
                                       overdue_visit *visit, void *context)
{
	struct memory *m = memory_of(base);
	size_t rows = 0;

	for (struct list *node = m->with_deadline.next; node != &m->with_deadline && rows < limit;
	     node = node->next) {
		const struct task *task = container_of(node, struct task, with_deadline);
		const struct task_row *row = task->item.row;
		const struct job *job = memory_job_at(m, task->job);
		if (row->stall_at > now || !job || memory_job_is_hidden(job)) /* or deleted */
			continue;
		rows++;
		if (!visit(context, ((struct job_row *)job->item.row)->id, row->id))
			break;
	}
	return rows ? STORE_OK : STORE_NONE;
}

/* ---- deliverables ---- */

static void deliverable_copy(struct deliverable_row *to, const struct deliverable_row *from)
{
	*to = *from;
	to->title = own(from->title);
	to->url = own(from->url);
	to->media_type = own(from->media_type);
}

enum store_result memory_deliverable_get(struct store *base, int64_t job, const char *id,
                                         struct deliverable_row *row)
{
	struct name name = name_of(ITEM_DELIVERABLE, job, id, strlen(id));
	struct item *item = item_find(memory_of(base), &name);

	if (!item)
		return STORE_NONE;
	deliverable_copy(row, item->row);
	return STORE_OK;
}

enum store_result memory_deliverable_put(struct store *base, int64_t job,
                                         const struct deliverable_row *row)
{
	struct memory *m = memory_of(base);
	struct name name = name_of(ITEM_DELIVERABLE, job, row->id, strlen(row->id));
	struct job *of = memory_job_at(m, job);
	struct deliverable_row *copy;

	if (!of)
		return refuse(base, "writing a deliverable: there is no such job");
	copy = xmalloc(sizeof *copy);
	deliverable_copy(copy, row);
	item_put(m, ITEM_DELIVERABLE, &name, &of->deliverables, copy);
	return STORE_OK;
}

enum store_result memory_deliverables(struct store *base, int64_t key, deliverable_visit *visit,
                                      void *context)
{
	struct job *job = memory_job_at(memory_of(base), key);
	size_t rows = 0;

	for (struct list *node = job ? job->deliverables.next : NULL;
	     job && node != &job->deliverables; node = node->next) {
		const struct deliverable_row *row = container_of(node, struct item, in_order)->row;
		rows++;
		if (!visit(context, row))
			break;
	}
	return rows ? STORE_OK : STORE_NONE;
}

/* ---- events ---- */

enum store_result memory_event_add(struct store *base, int64_t job, const struct event_row *row)
{
	struct memory *m = memory_of(base);
	struct name name = name_of(ITEM_EVENT, job, &row->seq, sizeof row->seq);
	struct job *of = memory_job_at(m, job);
	struct event_row *copy;
	char *json;

	if (!of || item_find(m, &name))
		return refuse(base, of ? "writing: there is an event with this seq"
		                       : "writing: there is no such job");
	copy = xmalloc(sizeof *copy + row->json.len);
	json = (char *)(copy + 1);
	*copy = *row;
	memcpy(json, row->json.ptr, row->json.len);
	copy->json.ptr = json;
	item_put(m, ITEM_EVENT, &name, &of->events, copy);
	return STORE_OK;
}

/*
 * Where a walk starts; the head of the group when it visits nothing.  A log has no gaps, so when
 * the event next to `from` does not exist, the walk visits either all events or none.
 */
static struct list *event_start(struct memory *m, struct job *job, uint64_t from, bool descending)
{
	uint64_t next = descending ? from - 1 : from + 1;
	struct name name = name_of(ITEM_EVENT, job->key, &next, sizeof next);
	struct item *item = item_find(m, &name);
	struct list *node = descending ? job->events.prev : job->events.next;
	const struct event_row *edge = NULL;

	if (item)
		return &item->in_order;
	while (node != &job->events && !(edge = container_of(node, struct item, in_order)->row))
		node = descending ? node->prev : node->next; /* pruned by the open transaction */
	return edge && (descending ? edge->seq < from : edge->seq > from) ? node : &job->events;
}

enum store_result memory_events(struct store *base, int64_t key, uint64_t from, bool descending,
                                size_t limit, event_visit *visit, void *context)
{
	struct memory *m = memory_of(base);
	struct job *job = memory_job_at(m, key);
	struct list *node = job ? event_start(m, job, from, descending) : NULL;
	size_t rows = 0;

	while (job && node != &job->events && rows < limit) {
		const struct event_row *row = container_of(node, struct item, in_order)->row;
		node = descending ? node->prev : node->next;
		if (!row) /* pruned by the open transaction */
			continue;
		rows++;
		if (!visit(context, row))
			break;
	}
	return rows ? STORE_OK : STORE_NONE;
}

/* ---- jobs that are being imported ---- */

static struct name name_of_import(int64_t job)
{
	struct name n = { 1, { ITEM_IMPORT } };

	name_add(&n, &job, sizeof job);
	return n;
}

enum store_result memory_import_begin(struct store *base, int64_t *key)
{
	struct memory *m = memory_of(base);
	char nothing[] = "";
	struct job_row row = { .title = nothing, .metadata = nothing, .first = 1 };
	struct name name = name_of_import((int64_t)m->job_count + 1);

	struct job *job = job_make(m, &name);
	*key = row.key = job->key;
	memory_job_set(m, job, &row);
	return STORE_OK;
}

enum store_result memory_import_end(struct store *base, int64_t key, struct job_row *row)
{
	struct memory *m = memory_of(base);
	struct job *job = memory_job_at(m, key);

	if (!job || !memory_job_is_hidden(job))
		return STORE_NONE;
	if (!row) {
		item_drop(m, &job->item);
		return STORE_OK;
	}
	struct name name = name_of(ITEM_JOB, 0, row->id, strlen(row->id));
	if (item_find(m, &name))
		return refuse(base, "writing: there is a job with this id");
	item_rename(m, &job->item, &name);
	row->key = key;
	memory_job_set(m, job, row);
	return STORE_OK;
}
