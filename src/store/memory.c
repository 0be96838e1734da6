/*
 * The smallest true store: everything in memory, gone with the process.  memory.h tells how.
 */
#include "memory.h"

#include "joblight/base/xalloc.h"

/* ---- items ---- */

static void row_free(enum kind kind, void *row)
{
	if (row && kind == KIND_JOB)
		job_row_finish(row);
	else if (row && kind == KIND_TASK)
		task_row_finish(row);
	else if (row && kind == KIND_DELIVERABLE)
		deliverable_row_finish(row);
	else if (row && kind == KIND_ANSWER)
		free(((struct idempotency_row *)row)->body);
	free(row); /* an event's JSON lies behind it */
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

struct item *item_new(struct memory *m, enum kind kind, const struct name *name, struct list *group)
{
	size_t size = kind == KIND_JOB      ? sizeof(struct job)
	              : kind == KIND_TASK   ? sizeof(struct task)
	              : kind == KIND_ANSWER ? sizeof(struct answer)
	                                    : sizeof(struct item);
	struct item *item = xcalloc(1, size);

	list_init(&item->in_order);
	if (group)
		list_append(group, &item->in_order);
	if (kind == KIND_TASK)
		list_init(&((struct task *)item)->waited_for);
	if (kind == KIND_ANSWER)
		list_init(&((struct answer *)item)->of_job);
	item->kind = kind;
	item->name = xmemdup(name->bytes, name->len);
	item_enter(m, item, name->len);
	return item;
}

/* Every change of an item's row comes through here. */
static void item_set(struct memory *m, struct item *item, void *row)
{
	struct task *task = (struct task *)item;

	item->row = row;
	if (item->kind != KIND_TASK)
		return;
	list_remove(&task->waited_for);
	if (row && ((struct task_row *)row)->stall_at)
		list_append(&m->waited_for, &task->waited_for);
}

static void item_free(struct memory *m, struct item *item)
{
	if (item->kind == KIND_JOB)
		m->jobs[((struct job *)item)->key - 1] = NULL;
	else if (item->kind == KIND_TASK)
		list_remove(&((struct task *)item)->waited_for);
	else if (item->kind == KIND_ANSWER)
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
	bool dropped; /* then it is the item's last step */
};

static void step_note(struct memory *m, struct item *item, bool dropped)
{
	struct step *step = xmalloc(sizeof *step);

	step->item = item;
	step->old = item->row;
	step->dropped = dropped;
	list_append(&m->steps, &step->in_order);
}

struct item *item_put(struct memory *m, enum kind kind, const struct name *name, struct list *group,
                      void *row)
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

static void step_undo(struct memory *m, struct step *step)
{
	struct item *item = step->item;

	if (step->dropped)
		item_enter(m, item, item->hh.keylen);
	row_free(item->kind, item->row);
	item_set(m, item, step->old);
	if (!item->row) { /* the step made it */
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): what is in the table has its
		 * neighbours */
		HASH_DEL(m->items, item);
		item_free(m, item);
	}
}

/* A job stays behind, without a name or a row, until what hangs on it is removed too. */
static void step_keep(struct memory *m, struct step *step)
{
	row_free(step->item->kind, step->old);
	if (step->dropped && step->item->kind == KIND_JOB)
		list_append(&m->deleted, &step->item->in_order);
	else if (step->dropped)
		item_free(m, step->item);
}

void job_forget(struct memory *m, struct job *job)
{
	item_free(m, &job->item);
}

static enum store_result session_begin(struct store *base)
{
	struct session *s = (struct session *)base;

	assert(!s->open);
	if (s->writer)
		pthread_rwlock_wrlock(&s->memory->lock);
	else
		pthread_rwlock_rdlock(&s->memory->lock);
	s->open = true;
	return STORE_OK;
}

static void session_end(struct session *s)
{
	if (s->writer)
		s->memory->clock_before = s->memory->clock;
	s->open = false;
	s->failed = STORE_OK;
	pthread_rwlock_unlock(&s->memory->lock);
}

static enum store_result session_commit(struct store *base)
{
	struct session *s = memory_session(base);
	struct list *steps = &s->memory->steps;

	if (s->failed)
		return s->failed;
	while (s->writer && !list_empty(steps)) {
		struct step *step = container_of(steps->next, struct step, in_order);
		step_keep(s->memory, step);
		list_remove(&step->in_order);
		free(step);
	}
	session_end(s);
	return STORE_OK;
}

static void session_rollback(struct store *base)
{
	struct session *s = (struct session *)base;
	struct list *steps = &s->memory->steps;

	if (!s->open)
		return;
	while (s->writer && !list_empty(steps)) {
		struct step *step = container_of(steps->prev, struct step, in_order);
		step_undo(s->memory, step);
		list_remove(&step->in_order);
		free(step);
	}
	if (s->writer)
		s->memory->clock = s->memory->clock_before;
	session_end(s);
}

static void session_close(struct store *base)
{
	session_rollback(base);
	free(base);
}

static enum store_result session_checkpoint(struct store *base)
{
	(void)base;
	return STORE_NONE;
}

/* ---- the backend ---- */

static const struct store_ops memory_ops = {
	.name = "memory",
	.exclusive = true,
	.close = session_close,
	.begin = session_begin,
	.commit = session_commit,
	.rollback = session_rollback,
	.job_get = memory_job_get,
	.job_put = memory_job_put,
	.job_delete = memory_job_delete,
	.jobs = memory_jobs,
	.task_get = memory_task_get,
	.task_put = memory_task_put,
	.tasks = memory_tasks,
	.task_counts = memory_task_counts,
	.stalled = memory_stalled,
	.deliverable_get = memory_deliverable_get,
	.deliverable_put = memory_deliverable_put,
	.deliverables = memory_deliverables,
	.event_add = memory_event_add,
	.events = memory_events,
	.idempotency_get = memory_idempotency_get,
	.idempotency_put = memory_idempotency_put,
	.clock_get = memory_clock_get,
	.clock_put = memory_clock_put,
	.prune = memory_prune,
	.overdue = memory_overdue,
	.checkpoint = session_checkpoint,
};

static struct store *session_new(struct memory *m, bool writer)
{
	struct session *s = xcalloc(1, sizeof *s);

	s->base.ops = &memory_ops;
	s->memory = m;
	s->writer = writer;
	return &s->base;
}

static bool takes(const char *location)
{
	return strcmp(location, ":memory:") == 0;
}

/* A steady stream of readers must not keep the writer out. */
static void lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t kind;

	pthread_rwlockattr_init(&kind);
	pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &kind);
	pthread_rwlockattr_destroy(&kind);
}

static struct database *memory_open(const char *location, enum durability durability, char *error,
                                    size_t error_len)
{
	struct memory *m = xcalloc(1, sizeof *m);

	(void)location;
	(void)durability; /* as long as the process is all there is */
	(void)error;
	(void)error_len;
	lock_init(&m->lock);
	list_init(&m->answers);
	list_init(&m->deleted);
	list_init(&m->waited_for);
	list_init(&m->steps);
	m->base = (struct database){ &memory_backend, session_new(m, true) };
	return &m->base;
}

static struct store *memory_reader(struct database *base, char *error, size_t error_len)
{
	(void)error;
	(void)error_len;
	return session_new((struct memory *)base, false);
}

/* Jobs last, because their items' lists are in them: they are removed when nothing else is left. */
static void free_items(struct memory *m, bool jobs)
{
	struct item *item, *next;

	HASH_ITER(hh, m->items, item, next) {
		if ((item->kind == KIND_JOB) != jobs)
			continue;
		HASH_DEL(m->items, item);
		item_free(m, item);
	}
}

static void memory_close(struct database *base)
{
	struct memory *m = (struct memory *)base;

	base->writer->ops->close(base->writer);
	free_items(m, false);
	free_items(m, true);
	while (!list_empty(&m->deleted))
		item_free(m, container_of(m->deleted.next, struct item, in_order));
	pthread_rwlock_destroy(&m->lock);
	free(m->jobs);
	free(m);
}

const struct backend memory_backend = { "memory", takes, memory_open, memory_reader, memory_close };
