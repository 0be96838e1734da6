#include "postgres_own.h"

#include <assert.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"

#define TASKS_MAX 10000 /* then all are forgotten */
#define TEXT_MAX 4096   /* bytes of the texts of a row; a row with more is read each time */
#define SAME_MIN 4      /* so often a row has to be the same, to be used without reading it */
#define SAME_MAX 1024   /* the same, after it was wrong often */
#define HELD_MAX 100    /* then it is wrong less often than it was */

static struct pg_own_task *find(const struct pg_own *o, int64_t job, struct slice id)
{
	struct pg_own_task *own;

	if (!o->tasks)
		return NULL;
	struct pg_task_name name = pg_name_task(job, id);
	HASH_FIND(hh, o->tasks, name.bytes, name.len, own);
	return own;
}

static void drop_row(struct pg_own_task *own)
{
	task_row_finish(&own->row);
	own->row = (struct task_row){ 0 };
	own->has_row = false;
	own->version = 0;
}

void pg_own_clear(struct pg_own *o)
{
	struct pg_own_task *own, *next;

	HASH_ITER(hh, o->tasks, own, next) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
		HASH_DEL(o->tasks, own);
		drop_row(own);
		free(own);
	}
	o->under_way = NULL;
	o->has_failed = false;
}

static uint32_t needed(const struct pg_own *o)
{
	return SAME_MIN + o->extra;
}

/* ---- using ---- */

const struct pg_own_task *pg_own_find(const struct pg_own *o, int64_t job, struct slice id)
{
	const struct pg_own_task *own = find(o, job, id);

	return own && own->has_row && own->version && own->same >= needed(o) ? own : NULL;
}

void pg_own_use(const struct pg_own_task *own, struct pg_cache *c)
{
	struct task_row copy;

	if (pg_cache_task(c, own->job, slice_of(own->row.id)))
		return;
	pg_copy_task(&copy, &own->row);
	struct pg_task *task = pg_cache_put_task(c, own->job, &copy);
	task->is_read = true;
	task->relied = task->unchecked = own->version;
}

/* ---- who writes a task ---- */

static struct pg_own_task *find_or_add(struct pg_own *o, int64_t job, struct slice id)
{
	struct pg_own_task *own = find(o, job, id);

	if (own)
		return own;
	if (HASH_COUNT(o->tasks) >= TASKS_MAX)
		pg_own_clear(o);
	own = xcalloc(1, sizeof(*own));
	own->job = job;
	own->name = pg_name_task(job, id);
	HASH_ADD_KEYPTR(hh, o->tasks, own->name.bytes, own->name.len, own);
	return own;
}

/* A transaction that has failed because of many tasks counts once. */
static void was_not_own(struct pg_own *o, struct pg_own_task *own)
{
	own->same = 0;
	if (!o->has_failed)
		return;
	o->has_failed = false;
	o->held = 0;
	o->extra = needed(o) * 2 < SAME_MAX ? needed(o) * 2 - SAME_MIN : SAME_MAX - SAME_MIN;
}

static void was_right(struct pg_own *o)
{
	o->has_failed = false;
	if (++o->held < HELD_MAX)
		return;
	o->held = 0;
	o->extra = needed(o) / 2 > SAME_MIN ? needed(o) / 2 - SAME_MIN : 0;
}

/* A transaction may have failed because of another row than the one that it relied on. */
void pg_own_was_read(struct pg_own *o, int64_t job, struct slice id, uint32_t version)
{
	struct pg_own_task *own = find_or_add(o, job, id);

	if (own->doubted && own->doubted != version)
		was_not_own(o, own);
	else if (!own->doubted && own->has_row && own->version == version)
		own->same++;
	else if (!own->doubted && own->has_row)
		own->same = 0;
	own->doubted = 0;
	drop_row(own);
}

void pg_own_forget(struct pg_own *o, const struct pg_task *task)
{
	struct pg_own_task *own = find(o, task->job, slice_of(task->row.id));

	if (!own)
		return;
	drop_row(own);
	own->doubted = 0;
}

static void doubt(struct pg_own_task *own, uint32_t relied)
{
	drop_row(own);
	own->doubted = relied;
}

void pg_own_forget_all(struct pg_own *o, const struct pg_cache *c)
{
	for (const struct pg_task *task = c->tasks; o->tasks && task; task = task->hh.next) {
		struct pg_own_task *own = find(o, task->job, slice_of(task->row.id));
		if (own)
			doubt(own, task->written ? 0 : task->relied);
	}
}

/* ---- a transaction that was sent ---- */

static bool is_short(const struct task_row *row)
{
	return (row->title ? strlen(row->title) : 0) + (row->note ? strlen(row->note) : 0) <=
	       TEXT_MAX;
}

static void take_row(struct pg_own_task *own, struct pg_task *task)
{
	drop_row(own);
	own->doubted = 0;
	own->has_row = is_short(&task->row);
	if (!own->has_row)
		return;
	own->row = task->row;
	task->row.title = task->row.note = NULL;
}

void pg_own_send(struct pg_own *o, struct pg_cache *c)
{
	assert(!o->under_way);
	for (struct pg_task *task = c->tasks; o->tasks && task; task = task->hh.next) {
		struct pg_own_task *own = task->absent ? NULL
		                                       : find(o, task->job, slice_of(task->row.id));
		if (!own)
			continue;
		own->relied = task->relied;
		own->next = o->under_way;
		o->under_way = own;
		if (task->written)
			take_row(own, task);
	}
}

static struct pg_own_task *take_listed(struct pg_own *o)
{
	struct pg_own_task *own = o->under_way;

	if (own)
		o->under_way = own->next;
	return own;
}

void pg_own_committed(struct pg_own *o, uint32_t version)
{
	struct pg_own_task *own;
	bool some_relied = false;

	while ((own = take_listed(o))) {
		some_relied |= own->relied;
		own->same += own->relied && own->same < UINT32_MAX;
		if (own->has_row && !own->version)
			own->version = version;
	}
	if (some_relied)
		was_right(o);
}

void pg_own_failed(struct pg_own *o)
{
	struct pg_own_task *own;

	while ((own = take_listed(o))) {
		o->has_failed |= own->relied;
		doubt(own, own->relied);
	}
}

void pg_own_roll_back(struct pg_own *o, const struct pg_cache *c)
{
	for (const struct pg_task *task = c->tasks; o->tasks && task; task = task->hh.next) {
		struct pg_own_task *own = task->relied ? find(o, task->job, slice_of(task->row.id))
		                                       : NULL;
		if (!own)
			continue;
		o->has_failed = true;
		doubt(own, task->relied);
	}
}
