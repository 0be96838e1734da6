/*
 * The memory store's own header: memory_items.c has the items and the steps of a transaction,
 * memory.c the sessions and the backend, memory_rows.c the row operations of store.h.
 *
 * A row is an item under a name in one hash table, and an item also lies in its group's order (a
 * job's tasks, deliverables and events; all answers).  Rows are never changed in place: a put swaps
 * the pointer and notes the old one, so that rollback swaps back and commit frees.  The writer
 * holds the lock from begin to commit, readers share it from begin to commit, which is all there is
 * to snapshots.
 */
#ifndef JOBLIGHT_STORE_MEMORY_H
#define JOBLIGHT_STORE_MEMORY_H

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "database.h"
#include "joblight/base/list.h"

#include "joblight/base/hash.h"

enum item_kind { ITEM_JOB, ITEM_TASK, ITEM_DELIVERABLE, ITEM_EVENT, ITEM_ANSWER };

struct name {
	size_t len;
	char bytes[2 + sizeof(int64_t) + ID_MAX +
	           KEY_MAX]; /* kind, job, id; of answers: kind, scope, NUL, key */
};

struct item {
	struct list in_order;
	UT_hash_handle hh;
	void *row; /* of its kind; NULL: not there yet, or removed by the open transaction */
	enum item_kind kind;
	char *name;
};

struct job {
	struct item item; /* in_order: in memory.deleted, when it is */
	int64_t key;
	struct list tasks, deliverables, events, answers;
};

struct answer {
	struct item item;
	struct list of_job; /* in its job's answers, when its scope is a job's */
};

struct task {
	struct item item;
	int64_t job;
	struct list with_deadline; /* in memory.with_deadline, while its row has a stall_at */
};

struct memory {
	struct database base;
	pthread_rwlock_t lock;
	struct item *items;
	struct job **jobs; /* by key, from 1 */
	size_t job_count, job_room;
	struct list answers;
	struct list deleted;                  /* jobs of which something is left */
	struct clock_row clock, clock_before; /* clock_before: what a rollback returns to */
	struct list with_deadline;
	struct list steps;
};

struct session {
	struct store base;
	struct memory *memory;
	bool writer, open;
	enum store_result failed; /* this transaction, so that no part of it is committed */
};

static inline struct session *memory_session(struct store *s)
{
	struct session *session = (struct session *)s;

	assert(session->open);
	return session;
}

static inline struct memory *memory_of(struct store *s)
{
	return memory_session(s)->memory;
}

struct item *item_find(struct memory *m, const struct name *name);
/* A new item under the name, at the end of the group (NULL: of none), without a row yet: put one.
 */
struct item *item_new(struct memory *m, enum item_kind kind, const struct name *name,
                      struct list *group);
/* Gives the item of this name (made when there is none) another row, which is now the item's. */
struct item *item_put(struct memory *m, enum item_kind kind, const struct name *name,
                      struct list *group, void *row);
/* Removes it for the rest of the transaction, and for good with the commit; another one may take
 * its name. */
void item_drop(struct memory *m, struct item *item);
/* A deleted job of which nothing is left. */
void job_forget(struct memory *m, struct job *job);
/* Frees every item.  Jobs are freed last, because the lists of their items are in them. */
void items_free(struct memory *m);

/* The end of the writer's transaction: its steps are made final, or undone, the last one first. */
void steps_keep(struct memory *m);
void steps_undo(struct memory *m);

/* ---- the operations on rows ---- */

#define STORE_OP(name, parameters, arguments)                                                      \
	enum store_result memory_##name(struct store *s, STORE_LIST parameters);
#include "joblight/core/store_ops.def"
#undef STORE_OP

#endif
