/*
 * A session that passes everything on to another one, until the Nth call of a transaction's
 * functions fails. From then on the transaction fails as store.h says, up to its rollback; the next
 * one works again.
 */
#ifndef JOBLIGHT_TESTS_FAULTY_STORE_H
#define JOBLIGHT_TESTS_FAULTY_STORE_H

#include <stdio.h>

#include "joblight/core/store.h"

struct faulty_store {
	struct store base; /* first */
	struct store *inner;
	unsigned long calls, fails_at; /* 0: never */
	enum store_result how, failed;
};

static inline struct store *faulty_inner(struct store *s)
{
	return ((struct faulty_store *)s)->inner;
}

static inline enum store_result faulty_count(struct store *s)
{
	struct faulty_store *f = (struct faulty_store *)s;

	if (!f->failed && ++f->calls == f->fails_at)
		f->failed = f->how;
	snprintf(s->error, sizeof(s->error), "%s", f->failed ? "a fault was asked for" : "");
	return f->failed;
}

/* A function that fails when it is its turn. */
#define FAULTY(name, parameters, ...)                                                              \
	static inline enum store_result faulty_##name parameters                                   \
	{                                                                                          \
		enum store_result failure = faulty_count(s);                                       \
		return failure ? failure                                                           \
		               : faulty_inner(s)->ops->name(faulty_inner(s), __VA_ARGS__);         \
	}

static inline enum store_result faulty_begin(struct store *s)
{
	enum store_result failure = faulty_count(s);

	((struct faulty_store *)s)->failed =
	    STORE_OK; /* there is no transaction that could stay broken */
	return failure ? failure : faulty_inner(s)->ops->begin(faulty_inner(s));
}

static inline enum store_result faulty_commit(struct store *s)
{
	enum store_result failure = faulty_count(s);

	return failure ? failure : faulty_inner(s)->ops->commit(faulty_inner(s));
}

static inline void faulty_rollback(struct store *s)
{
	((struct faulty_store *)s)->failed = STORE_OK;
	faulty_inner(s)->ops->rollback(faulty_inner(s));
}

static inline void faulty_close(struct store *s)
{
	faulty_inner(s)->ops->close(faulty_inner(s));
}

static inline enum store_result faulty_checkpoint(struct store *s)
{
	return faulty_inner(s)->ops->checkpoint(faulty_inner(s));
}

FAULTY(job_get, (struct store * s, const char *id, struct job_row *row), id, row)
FAULTY(job_put, (struct store * s, struct job_row *row), row)
FAULTY(job_delete, (struct store * s, const struct job_row *row), row)
FAULTY(jobs,
       (struct store * s, int status, int64_t below, size_t limit, job_visit *visit, void *context),
       status, below, limit, visit, context)
FAULTY(task_get, (struct store * s, int64_t job, const char *id, struct task_row *row), job, id,
       row)
FAULTY(task_put, (struct store * s, int64_t job, const struct task_row *row), job, row)
FAULTY(tasks, (struct store * s, int64_t job, task_visit *visit, void *context), job, visit,
       context)
FAULTY(task_counts, (struct store * s, int64_t job, struct task_counts *counts), job, counts)
FAULTY(stalled, (struct store * s, int64_t now, size_t limit, stalled_visit *visit, void *context),
       now, limit, visit, context)
FAULTY(deliverable_get,
       (struct store * s, int64_t job, const char *id, struct deliverable_row *row), job, id, row)
FAULTY(deliverable_put, (struct store * s, int64_t job, const struct deliverable_row *row), job,
       row)
FAULTY(deliverables, (struct store * s, int64_t job, deliverable_visit *visit, void *context), job,
       visit, context)
FAULTY(event_add, (struct store * s, int64_t job, const struct event_row *row), job, row)
FAULTY(events,
       (struct store * s, int64_t job, uint64_t from, bool descending, size_t limit,
        event_visit *visit, void *context),
       job, from, descending, limit, visit, context)
FAULTY(idempotency_get,
       (struct store * s, const char *scope, const char *key, struct idempotency_row *row), scope,
       key, row)
FAULTY(idempotency_put, (struct store * s, const struct idempotency_row *row), row)
FAULTY(prune, (struct store * s, int64_t keys, int64_t logs, uint64_t most, size_t budget), keys,
       logs, most, budget)

FAULTY(overdue,
       (struct store * s, int64_t keys, int64_t logs, uint64_t most, size_t limit, uint64_t *rows),
       keys, logs, most, limit, rows)

FAULTY(clock_get, (struct store * s, struct clock_row *row), row)
FAULTY(clock_put, (struct store * s, const struct clock_row *row), row)

#define FAULTY_OP(name) .name = faulty_##name

/* `exclusive` as the test wants it: whether rows may be kept between transactions. */
static inline void faulty_init(struct faulty_store *f, struct store *inner, struct store_ops *ops,
                               bool exclusive)
{
	*ops = (struct store_ops){
		.name = "faulty",
		.exclusive = exclusive,
		FAULTY_OP(close),
		FAULTY_OP(begin),
		FAULTY_OP(commit),
		FAULTY_OP(rollback),
		FAULTY_OP(job_get),
		FAULTY_OP(job_put),
		FAULTY_OP(job_delete),
		FAULTY_OP(jobs),
		FAULTY_OP(task_get),
		FAULTY_OP(task_put),
		FAULTY_OP(tasks),
		FAULTY_OP(task_counts),
		FAULTY_OP(stalled),
		FAULTY_OP(deliverable_get),
		FAULTY_OP(deliverable_put),
		FAULTY_OP(deliverables),
		FAULTY_OP(event_add),
		FAULTY_OP(events),
		FAULTY_OP(idempotency_get),
		FAULTY_OP(idempotency_put),
		FAULTY_OP(prune),
		FAULTY_OP(overdue),
		FAULTY_OP(clock_get),
		FAULTY_OP(clock_put),
		FAULTY_OP(checkpoint),
	};
	*f = (struct faulty_store){ .base = { .ops = ops }, .inner = inner };
}

#endif
