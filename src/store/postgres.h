/*
 * The private header of the PostgreSQL store, a module (joblight/base/module.h).
 *
 *   postgres.c            opens a database, and its sessions
 *   postgres_schema.c     makes the tables, or brings them up to date
 *   postgres_claim.c      what keeps servers out of a database that is being copied
 *   postgres_session.c    connects and begins, and sends statements
 *   postgres_commit.c     commits, and finds out whether a lost commit happened
 *   postgres_flush.c      writes what a transaction has kept
 *   postgres_cache.c      the rows that a transaction has read, and those that it is to write
 *   postgres_kept.c       rows that are kept from one transaction to the next
 *   postgres_own.c        the same of tasks that only this node writes, of jobs that others write
 *   postgres_link.c       a connection: statements go out together and are waited for together
 *   postgres_args.c       parameters, and columns of them, in PostgreSQL's binary format
 *   postgres_space.c      how large the tables are
 *
 * The other files hold the operations on rows, with their statements.
 *
 * The engine applies a group of operations in one transaction.  The store sends it in two rounds:
 * the first one begins it, locks the rows of its jobs in the order of their keys, and reads what
 * the engine has said it expects to need; the second one writes all rows, set-wise, and commits.
 * What was not expected costs a round of its own.  Rows that this node wrote last are kept, and a
 * group that expects no others needs one round.  It is prepared while the group before commits, and
 * can be sent before that one has an answer, unless both write the same job.
 */
#ifndef JOBLIGHT_STORE_POSTGRES_H
#define JOBLIGHT_STORE_POSTGRES_H

#include <assert.h>

#include "database.h"
#include "postgres_cache.h"
#include "postgres_kept.h"
#include "postgres_link.h"

#define POSTGRES_SCHEMA_VERSION 1
#define POSTGRES_NODE_LEN 16
#define POSTGRES_GROUP_LEN 16

struct postgres {
	struct database base; /* first */
	struct pg_place *place;
	bool is_durable; /* a commit waits for the disk, as far as the server is set to */
	bool alone;      /* no other process writes: postgres_claim() */
	bool any;        /* it may be a copy that is not finished */
	bool settled;    /* there are tables */
	uint8_t node[POSTGRES_NODE_LEN];
};

struct pg_session {
	struct store base; /* first */
	const struct postgres *db;
	struct postgres *own; /* NULL, or `db`, which ends with the session */
	struct pg_link link;
	bool writer;
	/* The process of the server behind the connection.  A process id is used again, so the time
	 * of its start belongs to it. */
	struct pg_backend {
		int64_t pid;      /* 0: not known, because there is a pooler */
		char started[40]; /* "": not known, because another role connected than works */
	} backend;
	bool has_row;                     /* of this node; and it is known that it has: */
	uint8_t last[POSTGRES_GROUP_LEN]; /* the text of the last transaction that was committed */
	bool open;                        /* between begin and commit or rollback */
	bool early;                       /* it began while another transaction was under way */
	bool begun;                       /* the server has been told so */
	bool writes;                      /* something was written in this transaction */
	/* Where the round has the results of sql_limits, if it was not looked at yet. */
	size_t limits_at;
	bool limits_asked;
	/* The first failure of this transaction, which everything until rollback returns. */
	enum store_result failed;
	struct pg_cache cache; /* of the writer */
	struct pg_kept kept;   /* the same */
	bool relies;           /* this transaction has kept rows, which its first round checks */
	bool owns;             /* it has rows of postgres_own.h, which are checked later */
	bool guesses;          /* it has taken answers to be absent, which its last round checks */
	/* The transactions before this one that were sent and have not ended, the oldest first. */
	struct pg_sent_commit {
		bool relies, owns, guesses; /* see above */
		uint8_t group[POSTGRES_GROUP_LEN];
		size_t at_group, at_commit; /* where its round has the results */
		struct pg_sent rows;
		bool has_ended, in_doubt;
		enum store_result result; /* if it has ended */
	} sent[STORE_SENT_MAX];
	size_t sent_count;
	struct {
		struct store_space last; /* less what was removed since */
		uint64_t until_ms;       /* for how long it may be used */
		bool is_current;         /* nothing but events was removed since */
	} space;                         /* postgres_space.c */
};

extern const struct backend postgres_module_backend;

/* ---- postgres_schema.c ---- */

/* Makes the tables, or brings them up to date.  False: the error of the session says why. */
bool postgres_settle_schema(struct pg_session *s);
/* Whether there are tables that this joblight may read.  False: the error says why. */
bool postgres_check_schema(struct pg_session *s);
bool postgres_mark(struct database *base, bool unfinished, char *error, size_t error_len);

/* ---- postgres_claim.c ---- */

/* The lock that who writes has, of the schema with the tables. */
#define PG_USERS_LOCK                                                                              \
	"1785489013, coalesce((SELECT (oid::int8 & 2147483647)::int4 FROM "                        \
	"pg_catalog.pg_namespace WHERE nspname = current_schema()), 0)"

/* A writing session that was connected holds a lock until its connection ends: of many that write,
 * or of the only one.  False: the words of the link say who else has it. */
bool pg_take_part(struct pg_session *s);
/* On a new connection: false if it is a copy that is not finished, or that cannot be read; the
 * words of the link say so. */
bool pg_is_finished(struct pg_session *s);
bool postgres_claim(struct database *base, char *error, size_t error_len);

/* ---- postgres_session.c ---- */

static inline struct pg_session *pg_session(struct store *base)
{
	struct pg_session *s = (struct pg_session *)base;

	assert(s->open);
	return s;
}

/* A text that the settings of a session do not change. */
#define PG_STARTED "extract(epoch FROM backend_start)::text"

/* Connects if it is not connected; see pg_link_connect().  Anything but OK: the error of the
 * session says why. */
enum store_result pg_session_connect(struct pg_session *s, bool insist);
enum store_result pg_session_begin(struct store *base);
void pg_session_rollback(struct store *base);
void pg_session_end(struct pg_session *s); /* the state of its transaction is that of none */

/* Records a failure, which the transaction ends by. */
enum store_result pg_spoil(struct pg_session *s, enum store_result how, const char *words);

/*
 * Runs one statement in the transaction, after what the transaction has kept is written.  The
 * result is the caller's, who ends it with PQclear(), also after a failure, when it may be NULL.
 */
enum store_result pg_query(struct pg_session *s, const struct pg_sql *sql,
                           const struct pg_args *args, PGresult **result);
/* The same without writing what was kept first: for rows that the cache does not have. */
enum store_result pg_look(struct pg_session *s, const struct pg_sql *sql,
                          const struct pg_args *args, PGresult **result);
/* The same for a statement without a result; how many rows it has changed. */
enum store_result pg_change(struct pg_session *s, const struct pg_sql *sql,
                            const struct pg_args *args, uint64_t *rows);
/* Adds a statement without a result to the next round. */
enum store_result pg_queue(struct pg_session *s, const struct pg_sql *sql,
                           const struct pg_args *args);
/* Fails while another transaction is under way. */
enum store_result pg_may_send(struct pg_session *s);
/* Begins the transaction in the next round, if no round has. */
void pg_queue_begin(struct pg_session *s);
/* Ends the transaction that the server has. */
void pg_roll_back(struct pg_session *s);
/* Adds the check of the kept rows that the transaction relies on to the next round. */
void pg_queue_checks(struct pg_session *s);
/* Adds the check of tasks that were not read, except those that were checked when they were
 * written. */
void pg_queue_task_checks(struct pg_session *s);
/* Adds what the transaction is to write, if there is anything. */
void pg_write_cache(struct pg_session *s);
/* Sends the round, whose results are then those of the link. */
enum store_result pg_finish_round(struct pg_session *s);

/* ---- postgres_commit.c ---- */

enum store_result pg_session_commit(struct store *base);
bool pg_session_commit_may_start(struct store *base);
enum store_result pg_session_commit_start(struct store *base);
bool pg_session_commit_finish(struct store *base, uint64_t wait_us, int wake_fd,
                              enum store_result *result);
/* Adds the check of the answers that were taken to be absent to the next round. */
void pg_queue_answer_checks(struct pg_session *s);

/* ---- postgres_flush.c ---- */

/* Adds what the transaction is to write to the next round.  `kept`: its jobs are kept rows that
 * were not checked yet, and pg_flush_checks() has said that writing them is enough. */
void pg_flush(struct pg_cache *c, struct pg_link *l, bool kept);
bool pg_flush_checks(const struct pg_cache *c);

/* How an error of a statement begins that finds another version of a job than was kept. */
#define PG_JOBS_SHARED                                                                             \
	"joblight: the transaction is run again, because another server has written jobs: "
/* The same of a task. */
#define PG_TASKS_SHARED                                                                            \
	"joblight: the transaction is run again, because another server has written tasks: "

/* ---- postgres_space.c ---- */

/* Events of these bytes are removed because of the size of the tables. */
void pg_space_removed(struct pg_session *s, uint64_t events, uint64_t bytes);

/* ---- the operations on rows ---- */

void pg_job_from(const PGresult *result, int row, struct job_row *job); /* borrows the texts */
/* Keep it in the cache of the transaction: a row of a result, or that there is none. */
void pg_keep_job(struct pg_session *s, const PGresult *result, int row);
void pg_keep_absence(struct pg_session *s, const char *id, enum pg_state state);
void pg_task_from(const PGresult *result, int row, struct task_row *task);
void pg_answer_from(const PGresult *result, int row, struct idempotency_row *answer);

/* What is read of each, in the order in which these functions take it. */
#define PG_JOB_COLUMNS                                                                             \
	"j.key, j.id, j.epoch, j.status, j.seq, j.first, j.tasks, j.deliverables, "                \
	"j.heartbeat_ms, j.created, j.updated, j.ended, j.title, j.metadata, j.bytes, j.pruned, "  \
	"j.imported, j.creator"
#define PG_TASK_COLUMNS                                                                            \
	"t.position, t.id, t.status, t.progress, t.attempt, t.heartbeat_ms, t.stalled, "           \
	"t.stall_at, t.created, t.updated, t.started, t.ended, t.title, t.note"
#define PG_ANSWER_COLUMNS                                                                          \
	"a.scope, a.key, a.fingerprint, a.time, a.outcome, a.seq_first, a.seq_last, a.epoch, "     \
	"a.body"

#define STORE_OP(name, parameters, arguments)                                                      \
	enum store_result postgres_##name(struct store *s, STORE_LIST parameters);
#include "joblight/core/store_ops.def"
#undef STORE_OP

#endif
