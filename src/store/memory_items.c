/*
 * The items of the memory store, and the steps of its open transaction.
 */
#include "memory.h"

#include "joblight/base/xalloc.h"

/* ---- items ---- */

static void row_free(enum item_kind kind, void *row)
{
	if (row && kind == ITEM_JOB)
		job_row_finish(row);
	else if (row && kind == ITEM_TASK)
		task_row_finish(row);
	else if (row && kind == ITEM_DELIVERABLE)
		deliverable_row_finish(row);
	else if (row && kind == ITEM_ANSWER)
		free(((struct idempotency_row *)row)->body);
	else if (row && kind == ITEM_ACCESS_KEY)
		access_key_row_finish(row);
	free(row); /* the JSON of an event is in the same allocation */
}

struct item *item_find(struct memory *m, const struct name *name)
{
	struct item *found;

	HASH_FIND(hh, m->items, name->bytes, name->len, found);
	return found;
}

static void item_enter(struct memory *m, struct item *item, size_t name_len)
{
	HASH_ADD_KEYPTR(hh, m->items, item->name, name_len, item);
}

struct item *item_new(struct memory *m, enum item_kind kind, const struct name *name,
                      struct list *group)
{
	size_t size = kind == ITEM_JOB      ? sizeof(struct job)
	              : kind == ITEM_TASK   ? sizeof(struct task)
	              : kind == ITEM_ANSWER ? sizeof(struct answer)
	                                    : sizeof(struct item);
	struct item *item = xcalloc(1, size);

	list_init(&item->in_order);
	if (group)
		list_append(group, &item->in_order);
	if (kind == ITEM_TASK)
		list_init(&((struct task *)item)->with_deadline);
	if (kind == ITEM_ANSWER)
		list_init(&((struct answer *)item)->of_job);
	item->kind = kind;
	item->name = xmemdup(name->bytes, name->len);
	item_enter(m, item, name->len);
	return item;
}

/* Every change of the row of an item goes through here. */
static void item_set(struct memory *m, struct item *item, void *row)
{
	struct task *task = (struct task *)item;

	if (item->kind == ITEM_EVENT && item->row)
		m->event_bytes -= ((struct event_row *)item->row)->json.len;
	if (item->kind == ITEM_EVENT && row)
		m->event_bytes += ((struct event_row *)row)->json.len;
	item->row = row;
	if (item->kind != ITEM_TASK)
		return;
	list_remove(&task->with_deadline);
	if (row && ((struct task_row *)row)->stall_at)
		list_append(&m->with_deadline, &task->with_deadline);
}

static void item_free(struct memory *m, struct item *item)
{
	if (item->kind == ITEM_JOB)
		m->jobs[((struct job *)item)->key - 1] = NULL;
	else if (item->kind == ITEM_TASK)
		list_remove(&((struct task *)item)->with_deadline);
	else if (item->kind == ITEM_ANSWER)
		list_remove(&((struct answer *)item)->of_job);
	list_remove(&item->in_order);
	row_free(item->kind, item->row);
	free(item->name);
	free(item);
}

/* ---- steps of a transaction ---- */

/* One step of the open transaction. */
struct step {
	struct list in_order;
	struct item *item;
	void *old;
	char *old_name; /* it was renamed, and nothing else */
	size_t old_name_len;
	bool dropped; /* then it is the item's last step */
};

static void step_note(struct memory *m, struct item *item, bool dropped)
{
	struct step *step = xcalloc(1, sizeof *step);

	step->item = item;
	step->old = item->row;
	step->dropped = dropped;
	list_append(&m->steps, &step->in_order);
}

struct item *item_put(struct memory *m, enum item_kind kind, const struct name *name,
                      struct list *group, void *row)
{
	struct item *item = item_find(m, name);

	if (!item)
		item = item_new(m, kind, name, group);
	step_note(m, item, false);
	item_set(m, item, row);
	return item;
}

void item_drop(struct memory *m, struct item *item)
{
	step_note(m, item, true);
	item_set(m, item, NULL);
	HASH_DEL(m->items, item);
}

void item_rename(struct memory *m, struct item *item, const struct name *name)
{
	struct step *step = xcalloc(1, sizeof *step);

	step->item = item;
	step->old_name = item->name;
	step->old_name_len = item->hh.keylen;
	list_append(&m->steps, &step->in_order);
	HASH_DEL(m->items, item);
	item->name = xmemdup(name->bytes, name->len);
	item_enter(m, item, name->len);
}

static void undo_name(struct memory *m, struct step *step)
{
	struct item *item = step->item;

	assert(m->items); /* this one is in it */
	HASH_DEL(m->items, item);
	free(item->name);
	item->name = step->old_name;
	item_enter(m, item, step->old_name_len);
}

static void step_undo(struct memory *m, struct step *step)
{
	struct item *item = step->item;

	if (step->old_name) {
		undo_name(m, step);
		return;
	}
	void *undone = item->row;
	if (step->dropped)
		item_enter(m, item, item->hh.keylen);
	item_set(m, item, step->old);
	row_free(item->kind, undone);
	if (!item->row) { /* the step had made the item */
		/* The analyser does not know that an item of the table has valid links. */
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		HASH_DEL(m->items, item);
		item_free(m, item);
	}
}

/* A deleted job keeps its item, without a name and a row, until all its rows are removed. */
static void step_keep(struct memory *m, struct step *step)
{
	if (step->old_name) {
		free(step->old_name);
		return;
	}
	row_free(step->item->kind, step->old);
	if (step->dropped && step->item->kind == ITEM_JOB)
		list_append(&m->deleted, &step->item->in_order);
	else if (step->dropped)
		item_free(m, step->item);
}

void job_forget(struct memory *m, struct job *job)
{
	item_free(m, &job->item);
}

void steps_keep(struct memory *m)
{
	while (!list_empty(&m->steps)) {
		struct step *step = container_of(m->steps.next, struct step, in_order);
		step_keep(m, step);
		list_remove(&step->in_order);
		free(step);
	}
}

void steps_undo(struct memory *m)
{
	while (!list_empty(&m->steps)) {
		struct step *step = container_of(m->steps.prev, struct step, in_order);
		step_undo(m, step);
		list_remove(&step->in_order);
		free(step);
	}
}

/* Frees the items of jobs, or all others. */
static void free_items(struct memory *m, bool jobs)
{
	struct item *item, *next;

	HASH_ITER(hh, m->items, item, next) {
		if ((item->kind == ITEM_JOB) != jobs)
			continue;
		HASH_DEL(m->items, item);
		item_free(m, item);
	}
}

void items_free(struct memory *m)
{
	free_items(m, false);
	free_items(m, true);
	while (!list_empty(&m->deleted))
		item_free(m, container_of(m->deleted.next, struct item, in_order));
}
