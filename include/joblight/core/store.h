/*
 * What core needs of a database, as one table of functions.  A backend fills it: src/store/memory.c
 * is the smallest true one, src/store/sqlite.c the standard one.  tests/unit/test_store.c runs over
 * each.
 *
 * A `struct store` is one session (one connection): used by one thread at a time, opened for
 * writing (one per file, it holds the file's lock) or for reading.  Sessions of one database see
 * each other's commits.  All functions return an enum store_result:
 *
 *   STORE_OK     done
 *   STORE_NONE   there is no such row (or, from a walk, nothing left)
 *   STORE_FULL   no space; the transaction must be rolled back, a later one may succeed
 *   STORE_BUSY   somebody else holds it, or a temporary I/O error; like FULL
 *   STORE_BROKEN the file cannot be used
 *
 * After FULL, BUSY or BROKEN the caller rolls back; until then everything in that transaction, its
 * commit too, answers with the same failure.  store_error() is the session's last error in words.
 *
 * Rows are read and written between begin() and commit() or rollback(), in both kinds of session.
 * A walk that visits nothing returns NONE.  A call back may use other operations of its session,
 * not the same one.
 *
 * Rows that come out are filled into the caller's struct: its strings are fresh copies the caller
 * owns (free with job_row_finish() …), except in walks, where the row belongs to the walk and is
 * valid only during the call back.  Rows that go in stay the caller's.
 */
#ifndef JOBLIGHT_CORE_STORE_H
#define JOBLIGHT_CORE_STORE_H

#include <stdio.h>

#include "joblight/base/digest.h"
#include "joblight/core/model.h"

enum store_result { STORE_OK, STORE_NONE, STORE_FULL, STORE_BUSY, STORE_BROKEN };

struct store;

/* One row of job_activity. */
struct event_row {
	uint64_t seq;
	enum event_type type;
	int64_t time;      /* never decreases within a job */
	struct slice json; /* the bytes every transport sends */
};

/* One remembered answer. */
struct idempotency_row {
	char scope[ID_MAX + 1]; /* job_scope(), or one that outlives every job */
	char key[KEY_MAX + 1];
	uint8_t fingerprint[DIGEST_LEN];
	int64_t time;
	int32_t outcome;    /* enum outcome */
	uint64_t seq_first; /* events it made: seq_first .. seq_last, 0 for none */
	uint64_t seq_last;
	char epoch[EPOCH_LEN + 1];
	char *body; /* answer as engine.h describes it */
};

/* The scope of keys that go with their job. */
static inline void job_scope(int64_t job, char scope[ID_MAX + 1])
{
	snprintf(scope, ID_MAX + 1, "#%lld", (long long)job);
}

/*
 * The key under which, in the scope of its id, a deleted job is remembered as long as an answer:
 * whoever holds a position in it is told so.  No client's key has a space.
 */
static inline void deleted_key(const char *epoch, char key[KEY_MAX + 1])
{
	snprintf(key, KEY_MAX + 1, "deleted %s", epoch);
}

/* What the clocks showed when they were last compared; see timeline.h.  All in milliseconds. */
struct clock_row {
	char boot[40];
	int64_t monotonic, boottime, wall, steady, trusted;
};

/* A walk's call back: false stops the walk (which then still returns STORE_OK). */
typedef bool job_visit(void *context, const struct job_row *row);
typedef bool task_visit(void *context, const struct task_row *row);
typedef bool deliverable_visit(void *context, const struct deliverable_row *row);
typedef bool stalled_visit(void *context, const char *job_id, const char *task_id);
typedef bool event_visit(void *context, const struct event_row *row);

struct store_ops {
	const char *name;
	/* True when this session is the only writer there can be, so that rows may be cached
	 * between transactions (SQLite, memory).  False where other nodes write too. */
	bool exclusive;

	void (*close)(struct store *s); /* ends the session; rolls back what is open */

	/* A writing session begins a write transaction, a reading session a consistent snapshot.
	 * When it fails nothing is open. */
	enum store_result (*begin)(struct store *s);
	enum store_result (*commit)(struct store *s); /* durable when it returns OK */
	void (*rollback)(struct store *s);

	enum store_result (*job_get)(struct store *s, const char *id, struct job_row *row);
	enum store_result (*job_put)(struct store *s,
	                             struct job_row *row); /* key 0: inserts and sets key */
	/*
	 * Removes the job: from now on nobody finds it or anything of it, and its id is free.  Its
	 * tasks, deliverables, events and keys are left to prune(), which makes this quick however
	 * many there are.
	 */
	enum store_result (*job_delete)(struct store *s, const struct job_row *row);
	/* Newest first; below_key 0 starts at the newest; status -1 takes all. */
	enum store_result (*jobs)(struct store *s, int status, int64_t below_key, size_t limit,
	                          job_visit *visit, void *context);

	enum store_result (*task_get)(struct store *s, int64_t job, const char *id,
	                              struct task_row *row);
	enum store_result (*task_put)(struct store *s, int64_t job, const struct task_row *row);
	enum store_result (*tasks)(struct store *s, int64_t job, task_visit *visit,
	                           void *context); /* by position */
	/* All of a job's tasks in figures; zeroes when there is none. */
	enum store_result (*task_counts)(struct store *s, int64_t job, struct task_counts *counts);
	/* Tasks of any job whose stall_at is set and not after `now` (steady time), in any order.
	 */
	enum store_result (*stalled)(struct store *s, int64_t now, size_t limit,
	                             stalled_visit *visit, void *context);

	enum store_result (*deliverable_get)(struct store *s, int64_t job, const char *id,
	                                     struct deliverable_row *row);
	enum store_result (*deliverable_put)(struct store *s, int64_t job,
	                                     const struct deliverable_row *row);
	enum store_result (*deliverables)(struct store *s, int64_t job, deliverable_visit *visit,
	                                  void *context); /* in order of insertion */

	enum store_result (*event_add)(struct store *s, int64_t job, const struct event_row *row);
	/* Ascending: seq > from.  Descending: seq < from (UINT64_MAX: from the end). */
	enum store_result (*events)(struct store *s, int64_t job, uint64_t from, bool descending,
	                            size_t limit, event_visit *visit, void *context);

	enum store_result (*idempotency_get)(struct store *s, const char *scope, const char *key,
	                                     struct idempotency_row *row);
	enum store_result (*idempotency_put)(struct store *s, const struct idempotency_row *row);

	enum store_result (*clock_get)(struct store *s,
	                               struct clock_row *row); /* NONE: it was never put */
	enum store_result (*clock_put)(struct store *s, const struct clock_row *row);

	/*
	 * Removes at most `budget` rows in all: what is left of deleted jobs, idempotency rows
	 * older than `keys_before`, and events of jobs that ended before `logs_before` or that hold
	 * more than `most_events` (ended jobs only, oldest first, never the last event); raises the
	 * job's `first` with it.  OK: there may be more; NONE: nothing to do.
	 */
	enum store_result (*prune)(struct store *s, int64_t keys_before, int64_t logs_before,
	                           uint64_t most_events, size_t budget);
	/* How many rows prune() would remove.  Counting may stop at `limit` of a kind. */
	enum store_result (*overdue)(struct store *s, int64_t keys_before, int64_t logs_before,
	                             uint64_t most_events, size_t limit, uint64_t *rows);
	/*
	 * Housekeeping outside a transaction (the WAL checkpoint), which waits for nobody.  NONE:
	 * what was written since the last one is not worth it.  BUSY: somebody has been in the way
	 * for a while.
	 */
	enum store_result (*checkpoint)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	char error[256];
};

static inline const char *store_error(const struct store *s)
{
	return s->error[0] ? s->error : "no error";
}

#endif
