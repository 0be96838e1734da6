#include "postgres_cache.h"

#include <assert.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"

static char *own(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

void pg_copy_job(struct job_row *to, const struct job_row *from)
{
	*to = *from;
	to->title = own(from->title);
	to->metadata = own(from->metadata);
}

void pg_copy_task(struct task_row *to, const struct task_row *from)
{
	*to = *from;
	to->title = own(from->title);
	to->note = own(from->note);
}

void pg_copy_answer(struct idempotency_row *to, const struct idempotency_row *from)
{
	*to = *from;
	to->body = own(from->body);
}

void pg_cache_init(struct pg_cache *c)
{
	*c = (struct pg_cache){ .events = { .types = "iiiit" },
		                .days = { .types = "iitiiiiiiiiii" } };
}

/* ---- jobs ---- */

struct pg_job *pg_cache_job(struct pg_cache *c, const char *id)
{
	struct pg_job *job;

	HASH_FIND_STR(c->jobs, id, job);
	return job;
}

struct pg_job *pg_cache_put_job(struct pg_cache *c, const struct job_row *row, enum pg_state state)
{
	struct pg_job *job = pg_cache_job(c, row->id);

	if (!job) {
		job = xcalloc(1, sizeof(*job));
		job->row = *row;
		HASH_ADD_STR(c->jobs, row.id, job);
	} else {
		job_row_finish(&job->row);
		job->row = *row;
	}
	job->state = state;
	return job;
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* An ended job has numbers besides that depend on its log. */
static bool only_counts_differ(const struct job_row *a, const struct job_row *b)
{
	return a->key == b->key && strcmp(a->epoch, b->epoch) == 0 && is_same(a->title, b->title) &&
	       is_same(a->metadata, b->metadata) && a->status == b->status &&
	       a->first == b->first && a->tasks == b->tasks && a->deliverables == b->deliverables &&
	       a->silence_ms == b->silence_ms && a->created == b->created && !a->ended &&
	       !b->ended && a->imported == b->imported && a->pruned == b->pruned;
}

void pg_cache_change_job(struct pg_cache *c, const struct job_row *row, enum pg_state state)
{
	struct pg_job *job = pg_cache_job(c, row->id);
	bool whole = !job || job->state != PG_STORED || job->whole ||
	             !only_counts_differ(&job->row, row);
	struct job_row copy;

	pg_copy_job(&copy, row);
	job = pg_cache_put_job(c, &copy, state);
	job->dirty = true;
	job->whole = whole;
	c->dirty = true;
}

struct pg_job *pg_cache_job_of_key(struct pg_cache *c, int64_t key)
{
	for (struct pg_job *job = c->jobs; job; job = job->hh.next)
		if (job->row.key == key && (job->state == PG_STORED || job->state == PG_NEW))
			return job;
	return NULL;
}

void pg_cache_drop_job(struct pg_cache *c, struct pg_job *job)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
	HASH_DEL(c->jobs, job);
	job_row_finish(&job->row);
	free(job);
}

void pg_cache_move_job(struct pg_cache *from, struct pg_cache *to, struct pg_job *job)
{
	struct pg_job *old = pg_cache_job(to, job->row.id);

	if (old)
		pg_cache_drop_job(to, old);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
	HASH_DEL(from->jobs, job);
	HASH_ADD_STR(to->jobs, row.id, job);
}

static void forget_jobs(struct pg_cache *c)
{
	struct pg_job *job, *next;

	HASH_ITER(hh, c->jobs, job, next)
		pg_cache_drop_job(c, job);
}

/* ---- tasks ---- */

struct pg_task_name pg_name_task(int64_t job, struct slice id)
{
	struct pg_task_name name = { .len = sizeof(job) + id.len };

	assert(id.len <= ID_MAX);
	memcpy(name.bytes, &job, sizeof(job));
	memcpy(name.bytes + sizeof(job), id.ptr, id.len);
	return name;
}

/* uthash does not copy its keys. */
struct named_task {
	struct pg_task task; /* first */
	char name[sizeof(int64_t) + ID_MAX];
};

static struct pg_task *find_task(struct pg_cache *c, const struct pg_task_name *name)
{
	struct pg_task *task;

	HASH_FIND(hh, c->tasks, name->bytes, name->len, task);
	return task;
}

static struct pg_task *make_task(struct pg_cache *c, int64_t job, struct slice id)
{
	struct pg_task_name name = pg_name_task(job, id);
	struct pg_task *task = find_task(c, &name);

	if (!task) {
		struct named_task *made = xcalloc(1, sizeof(*made));
		task = &made->task;
		task->job = job;
		memcpy(made->name, name.bytes, name.len);
		HASH_ADD_KEYPTR(hh, c->tasks, made->name, name.len, task);
	}
	return task;
}

struct pg_task *pg_cache_task(struct pg_cache *c, int64_t job, struct slice id)
{
	struct pg_task_name name = pg_name_task(job, id);

	return find_task(c, &name);
}

struct pg_task *pg_cache_put_task(struct pg_cache *c, int64_t job, const struct task_row *row)
{
	struct pg_task *task = make_task(c, job, slice_of(row->id));

	task_row_finish(&task->row);
	task->row = *row;
	task->absent = false;
	return task;
}

static bool only_progress_differs(const struct task_row *a, const struct task_row *b)
{
	return is_same(a->title, b->title) && a->attempt == b->attempt &&
	       a->silence_ms == b->silence_ms && a->position == b->position &&
	       a->created == b->created && a->started == b->started && a->ended == b->ended;
}

void pg_cache_change_task(struct pg_cache *c, int64_t job, const struct task_row *row)
{
	struct pg_task *task = pg_cache_task(c, job, slice_of(row->id));
	bool whole = !task || !task->is_read || task->whole ||
	             !only_progress_differs(&task->row, row);
	struct task_row copy;

	pg_copy_task(&copy, row);
	task = pg_cache_put_task(c, job, &copy);
	task->dirty = true;
	task->whole = whole;
	c->dirty = true;
}

void pg_cache_no_task(struct pg_cache *c, int64_t job, struct slice id)
{
	struct pg_task *task = pg_cache_task(c, job, id);

	if (!task)
		make_task(c, job, id)->absent = true;
}

static void drop_task(struct pg_cache *c, struct pg_task *task)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
	HASH_DEL(c->tasks, task);
	task_row_finish(&task->row);
	free(task);
}

void pg_cache_move_task(struct pg_cache *from, struct pg_cache *to, struct pg_task *task)
{
	struct pg_task_name name = pg_name_task(task->job, slice_of(task->row.id));
	struct pg_task *old = find_task(to, &name);

	if (old)
		drop_task(to, old);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
	HASH_DEL(from->tasks, task);
	HASH_ADD_KEYPTR(hh, to->tasks, ((struct named_task *)task)->name, name.len, task);
}

static void forget_tasks(struct pg_cache *c)
{
	struct pg_task *task, *next;

	HASH_ITER(hh, c->tasks, task, next)
		drop_task(c, task);
}

/* ---- answers ---- */

struct answer_name {
	char bytes[ID_MAX + 1 + KEY_MAX + 1];
	size_t len;
};

static struct answer_name name_answer(const char *scope, const char *key)
{
	struct answer_name name;
	size_t scope_len = strlen(scope) + 1, key_len = strlen(key);

	name.len = scope_len + key_len;
	assert(name.len <= sizeof(name.bytes));
	memcpy(name.bytes, scope, scope_len);
	memcpy(name.bytes + scope_len, key, key_len);
	return name;
}

struct named_answer {
	struct pg_answer answer; /* first */
	char name[ID_MAX + 1 + KEY_MAX + 1];
};

static struct pg_answer *make_answer(struct pg_cache *c, const char *scope, const char *key)
{
	struct answer_name name = name_answer(scope, key);
	struct named_answer *made = xcalloc(1, sizeof(*made));
	struct pg_answer *answer = &made->answer;

	memcpy(made->name, name.bytes, name.len);
	HASH_ADD_KEYPTR(hh, c->answers, made->name, name.len, answer);
	return answer;
}

struct pg_answer *pg_cache_answer(struct pg_cache *c, const char *scope, const char *key)
{
	struct answer_name name = name_answer(scope, key);
	struct pg_answer *answer;

	HASH_FIND(hh, c->answers, name.bytes, name.len, answer);
	return answer;
}

struct pg_answer *pg_cache_put_answer(struct pg_cache *c, const struct idempotency_row *row)
{
	struct pg_answer *answer = pg_cache_answer(c, row->scope, row->key);

	if (!answer)
		answer = make_answer(c, row->scope, row->key);
	free(answer->row.body);
	answer->row = *row;
	answer->absent = false;
	return answer;
}

void pg_cache_no_answer(struct pg_cache *c, const char *scope, const char *key)
{
	struct pg_answer *answer = pg_cache_answer(c, scope, key);

	if (answer)
		return;
	answer = make_answer(c, scope, key);
	answer->absent = answer->was_absent = true;
}

static void forget_answers(struct pg_cache *c)
{
	struct pg_answer *answer, *next;

	HASH_ITER(hh, c->answers, answer, next) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
		HASH_DEL(c->answers, answer);
		free(answer->row.body);
		free(answer);
	}
}

/* ---- all of it ---- */

void pg_cache_forget(struct pg_cache *c)
{
	assert(!c->dirty);
	forget_jobs(c);
	forget_tasks(c);
	forget_answers(c);
}

void pg_cache_clear(struct pg_cache *c)
{
	c->dirty = false;
	pg_cache_forget(c);
	pg_rows_clear(&c->events);
	pg_rows_clear(&c->days);
	free(c->keys);
	c->keys = NULL;
	c->key_count = 0;
}

void pg_cache_finish(struct pg_cache *c)
{
	pg_rows_finish(&c->events);
	pg_rows_finish(&c->days);
}
