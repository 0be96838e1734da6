/*
 * The interface of a database: a table of functions that a backend fills.  src/store/memory.c is
 * the smallest complete backend, src/store/sqlite.c the default one; tests/unit/test_store.c runs
 * over each.
 *
 * A `struct store` is one session (one connection).  It is used by one thread at a time and is
 * opened for writing (one per file; it holds the lock of the file) or for reading.  Sessions of one
 * database see each other's commits.  All functions return an enum store_result:
 *
 *   STORE_OK     done
 *   STORE_NONE   there is no such row (or, from a walk, nothing left)
 *   STORE_FULL   no space; the transaction must be rolled back, a later one may succeed
 *   STORE_BUSY   another program holds a lock, or a temporary I/O error; like FULL
 *   STORE_BROKEN the file cannot be used
 *   STORE_CONFLICT  another node was faster, or one of the rows cannot be written: nothing of the
 *                transaction is stored, and it can be run again, best in smaller parts
 *   STORE_EARLY  the transaction before this one is still committing (commit_start()), and what
 *                was asked for cannot be had before it has ended
 *
 * After FULL, BUSY, BROKEN, CONFLICT or EARLY the caller rolls back; until then everything in that
 * transaction, also its commit, returns the same failure.  store_error() is the last error of the
 * session as text.  A store on another machine may report what is wrong with a row that is written
 * later, at the latest when it commits.
 *
 * Rows are read and written between begin() and commit() or rollback(), in both kinds of session. A
 * walk that visits nothing returns NONE.  A callback may use other operations of its session, but
 * not the one that called it.
 *
 * Rows that are read are filled into the caller's struct.  Its strings are copies that the caller
 * owns (free them with job_row_finish() …), except in walks, where the row belongs to the walk and
 * is valid only during the callback.  Rows that are written stay the caller's.
 */
#ifndef JOBLIGHT_CORE_STORE_H
#define JOBLIGHT_CORE_STORE_H

#include <stdio.h>

#include "joblight/base/digest.h"
#include "joblight/core/access_key.h"
#include "joblight/core/model.h"
#include "joblight/core/token_row.h"

enum store_result {
	STORE_OK,
	STORE_NONE,
	STORE_FULL,
	STORE_BUSY,
	STORE_BROKEN,
	STORE_CONFLICT,
	STORE_EARLY
};

#define STORE_SENT_MAX 2 /* transactions that are under way at once: commit_may_start() */

struct store;

/* One row of job_activity. */
struct event_row {
	uint64_t seq;
	enum event_type type;
	int64_t time;      /* never decreases within a job */
	struct slice json; /* the bytes that every transport sends */
};

/* One remembered answer. */
struct idempotency_row {
	char scope[ID_MAX + 1]; /* job_scope(), or a scope that outlives every job */
	char key[KEY_MAX + 1];
	uint8_t fingerprint[DIGEST_LEN];
	int64_t time;
	int32_t outcome;    /* enum outcome */
	uint64_t seq_first; /* events it made: seq_first .. seq_last, 0 for none */
	uint64_t seq_last;
	char epoch[EPOCH_LEN + 1];
	char *body; /* the answer, as engine.h describes it */
};

/* The scope of keys that are deleted with their job. */
static inline void job_scope(int64_t job, char scope[ID_MAX + 1])
{
	snprintf(scope, ID_MAX + 1, "#%lld", (long long)job);
}

/*
 * A deleted job is remembered, for as long as an answer, under this key in the scope of its id, so
 * that clients with a cursor in it can be told.  No client's key contains a space.
 */
static inline void deleted_key(const char *epoch, char key[KEY_MAX + 1])
{
	snprintf(key, KEY_MAX + 1, "deleted %s", epoch);
}

/*
 * The rows that the operations of a transaction are about, for expect(): a store on another machine
 * then reads and locks them at once.  It is only a hint: other rows may be read and written, and
 * these may not exist.  Everything is borrowed, and rows may be named twice.
 */
struct expected_job {
	const char *id;
	bool created; /* one of the operations creates it */
};

struct expected_task {
	const char *job; /* its id */
	struct slice id;
};

struct expected_answer {
	const char *job; /* the id of the job whose job_scope() it has; NULL: `scope` */
	char scope[ID_MAX + 1];
	const char *key;
};

struct expected {
	struct expected_job *jobs;
	struct expected_task *tasks;
	struct expected_answer *answers;
	size_t job_count, task_count, answer_count;
	size_t created; /* how many jobs are created, also those without an id */
};

/* What prune() removes. */
struct prune_limits {
	int64_t keys_before; /* idempotency rows older than this */
	int64_t logs_before; /* events of jobs whose job_kept_since() is older than this */
	int64_t days_before; /* rows of days (struct job_day_row) before this one */
	uint64_t max_events; /* of an ended job; at least 1 */
	uint64_t max_bytes;  /* of the events of an ended job; at least 1 */
};

/*
 * What a store takes in bytes.  `used` becomes less when rows are removed; `free` is what later
 * ones can take.  A store without a file has no free space.
 */
struct store_space {
	uint64_t used, free;
	bool shrinks; /* give_back() can make the file smaller */
};

/* The readings of the clocks when they were last compared; see timeline.h.  All in milliseconds. */
struct clock_row {
	char boot[40];
	int64_t monotonic, boottime, wall, steady, trusted;
};

/* The callback of a walk: false stops the walk, which still returns STORE_OK. */
typedef bool job_visit(void *context, const struct job_row *row);
typedef bool job_head_visit(void *context, const struct job_head *head);
typedef bool task_visit(void *context, const struct task_row *row);
typedef bool deliverable_visit(void *context, const struct deliverable_row *row);
typedef bool overdue_visit(void *context, const char *job_id, const char *task_id);
typedef bool idempotency_visit(void *context, const struct idempotency_row *row);
typedef bool access_key_visit(void *context, const struct access_key_row *row);
typedef bool revoked_token_visit(void *context, const struct revoked_token_row *row);
typedef bool event_visit(void *context, const struct event_row *row);
typedef bool ended_visit(void *context, const char *job_id);
typedef bool job_day_visit(void *context, const struct job_day_row *row);

/* Removes the parentheses around a list of parameters or arguments in store_ops.def. */
#define STORE_LIST(...) __VA_ARGS__

struct store_ops {
	const char *name;
	/*
	 * True when this session is the only possible writer, so that rows may be cached between
	 * transactions (SQLite, memory).  False where other nodes write too.
	 */
	bool exclusive;

	void (*close)(struct store *s); /* ends the session; rolls back an open transaction */

	/*
	 * A writing session begins a write transaction, a reading session a consistent snapshot.
	 * When it fails, no transaction is open.
	 */
	enum store_result (*begin)(struct store *s);
	enum store_result (*commit)(struct store *s); /* durable when it returns OK */
	void (*rollback)(struct store *s);

	/*
	 * commit() in two steps, of a store on another machine; NULL: the store has none.
	 *
	 * After commit_start() has returned OK, the transaction is on its way, and the next one can
	 * be begun.  That one sees what this one has written.  expect() is called for each of its
	 * operations, and returns EARLY if the store would have to ask for a row, also when this
	 * one has ended meanwhile; after that, the transaction goes on without the operation.
	 * After any other EARLY it is rolled back.  It is committed when commit_finish() has
	 * returned OK, and rolled back if it has failed.
	 *
	 * commit_finish() waits for at most `wait_us`, or until the descriptor `wake_fd` (-1:
	 * none) can be read.  False: there is no answer yet.  `result` is what commit() would have
	 * returned, and nothing is left of a transaction that has failed.
	 *
	 * Up to STORE_SENT_MAX transactions are under way at once: commit_may_start() says whether
	 * commit_start() would not return EARLY for the one that is open and has written something.
	 * commit_finish() waits for the oldest, and if that has failed, those after it have, too.
	 */
	bool (*commit_may_start)(struct store *s);
	enum store_result (*commit_start)(struct store *s);
	bool (*commit_finish)(struct store *s, uint64_t wait_us, int wake_fd,
	                      enum store_result *result);

	/* The operations on rows: store_ops.def says what each of them does. */
#define STORE_OP(name, parameters, arguments)                                                      \
	enum store_result (*name)(struct store * s, STORE_LIST parameters);
#include "joblight/core/store_ops.def"
#undef STORE_OP

	/*
	 * Copies the write-ahead log into the database, outside transactions and without waiting
	 * for other sessions.  NONE: too little was written since the last one.  BUSY: another
	 * session has been in the way for some time.
	 */
	enum store_result (*checkpoint)(struct store *s);

	/*
	 * Rewrites the file without its free space, in a thread of its own: the first call begins,
	 * and it is called again until it returns something else than BUSY.  Meanwhile no
	 * transaction is begun and nothing else is called but close(), which gives it up; the
	 * database is then as it was.  NONE: there is no file.
	 */
	enum store_result (*rewrite)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	char error[256];
	/* The last commit has failed, and may have happened all the same: a server has not told. */
	bool in_doubt;
	/* The transaction relied on rows of an earlier one, and has failed, perhaps because others
	 * have written them since.  The next one reads them. */
	bool stale;
	/* After expect(): other nodes write these rows too, and the transaction may have waited for
	 * theirs.  begin() makes it false. */
	bool shares;
};

static inline const char *store_error(const struct store *s)
{
	return s->error[0] ? s->error : "no error";
}

#endif
