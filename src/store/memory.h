/*
 * The private header of the memory store: memory_items.c has the items and the steps of a
 * transaction, memory.c the sessions and the backend, memory_rows.c the operations on the rows of
 * jobs, memory_answers.c and memory_days.c those on answers and days, memory_prune.c what removes
 * them, and memory_server.c those on the rows of the server itself.
 *
 * A row is an item with a name in one hash table.  An item is also in the list of its group (the
 * tasks, deliverables and events of a job; all answers).  Rows are never changed in place: a put
 * replaces the pointer and records the old row, so that rollback restores it and commit frees it.
 * The writer holds the lock from begin to commit, and readers share it from begin to commit; that
 * is how they get a snapshot.
 */
#ifndef JOBLIGHT_STORE_MEMORY_H
#define JOBLIGHT_STORE_MEMORY_H

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "database.h"
#include "joblight/base/list.h"
#include "joblight/base/xalloc.h"

#include "joblight/base/hash.h"

enum item_kind {
	ITEM_JOB,
	ITEM_TASK,
	ITEM_DELIVERABLE,
	ITEM_EVENT,
	ITEM_ANSWER,
	ITEM_ACCESS_KEY,
	ITEM_REVOKED_TOKEN,
	ITEM_JOB_DAY,
	ITEM_IMPORT /* only in names: a job that is being imported */
};

struct name {
	size_t len;
	char bytes[2 + sizeof(int64_t) + ID_MAX +
	           KEY_MAX]; /* kind, job, id; for answers: kind, scope, NUL, key */
};

struct item {
	struct list in_order;
	UT_hash_handle hh;
	void *row; /* of its kind; NULL: not yet put, or removed by the open transaction */
	enum item_kind kind;
	char *name;
};

struct job {
	struct item item; /* in_order: in memory.deleted after the job was deleted */
	int64_t key;
	struct list tasks, deliverables, events, answers;
};

struct answer {
	struct item item;
	struct list of_job; /* in the answers of its job, when its scope is that of a job */
};

struct task {
	struct item item;
	int64_t job;
	struct list with_deadline; /* in memory.with_deadline while its row has a stall_at */
};

struct memory {
	struct database base;
	pthread_rwlock_t lock;
	struct item *items;
	struct job **jobs; /* by key - 1 */
	size_t job_count, job_room;
	struct list answers, access_keys, revoked_tokens, job_days;
	uint64_t event_bytes;                 /* of the JSON of all events */
	struct list deleted;                  /* deleted jobs of which some rows are left */
	struct clock_row clock, clock_before; /* clock_before: the value that a rollback restores */
	struct signing_key_row signing_key, signing_key_before; /* likewise */
	struct list with_deadline;
	struct list steps;
};

struct session {
	struct store base;
	struct memory *memory;
	bool writer, open;
	enum store_result failed; /* of this transaction, so that no part of it is committed */
};

static inline char *own(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

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

/* Appends to a name, which begins with its kind. */
void name_add(struct name *n, const void *bytes, size_t len);
/* The name of a row with this id; `job`: its key, or 0. */
struct name name_of(enum item_kind kind, int64_t job, const void *id, size_t id_len);
struct item *item_find(struct memory *m, const struct name *name);
/* Makes a new item at the end of the group (NULL: of no group).  It has no row until one is put. */
struct item *item_new(struct memory *m, enum item_kind kind, const struct name *name,
                      struct list *group);
/* Puts a row into the item of this name, which is made if missing.  The item then owns the row. */
struct item *item_put(struct memory *m, enum item_kind kind, const struct name *name,
                      struct list *group, void *row);
/*
 * Removes the item for the rest of the transaction, and for good with the commit.  Its name can be
 * used again at once.
 */
void item_drop(struct memory *m, struct item *item);
/* Gives the item another name for the rest of the transaction, and for good with the commit. */
void item_rename(struct memory *m, struct item *item, const struct name *name);
/* Frees a deleted job of which no rows are left. */
void job_forget(struct memory *m, struct job *job);
/* Frees every item.  Jobs are freed last, because the lists of their items are in them. */
void items_free(struct memory *m);

/*
 * Ends the transaction of the writer: its steps become final, or they are undone, the last one
 * first.
 */
void steps_keep(struct memory *m);
void steps_undo(struct memory *m);

/* ---- memory_rows.c ---- */

struct job *memory_job_at(struct memory *m, int64_t key); /* NULL: deleted, or never made */
void memory_job_set(struct memory *m, struct job *job, const struct job_row *row);

/* A job that is being imported cannot be found. */
static inline bool memory_job_is_hidden(const struct job *job)
{
	return job->item.name[0] == ITEM_IMPORT;
}

/* ---- the operations on rows ---- */

#define STORE_OP(name, parameters, arguments)                                                      \
	enum store_result memory_##name(struct store *s, STORE_LIST parameters);
#include "joblight/core/store_ops.def"
#undef STORE_OP

#endif
