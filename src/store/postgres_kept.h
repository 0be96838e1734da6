/*
 * Rows that are kept from one transaction of the writing session to the next: those of jobs that
 * this node was the last to write.
 *
 * A transaction that expects only kept rows does not read them.  Its first round, which can then be
 * its only one, begins with a statement that locks the jobs and fails if somebody else has written
 * one of them since: a version of a row has the number of the transaction that wrote it (xmin).
 * The rows of the tasks need no such statement, because a task changes together with the row of its
 * job as long as the job has not ended (core/silence.c); jobs that have ended are not kept.  For
 * tasks of jobs that are not kept see postgres_own.h.
 *
 * A job that other nodes write too is not kept for a while, which becomes longer.
 *
 * The rows of a transaction are kept as soon as its commit was sent, so that the next one can be
 * prepared meanwhile (commit_start() in joblight/core/store.h).  Their version is only known when
 * it has an answer, and a transaction that has them is not sent before.
 *
 * One thread.
 */
#ifndef JOBLIGHT_STORE_POSTGRES_KEPT_H
#define JOBLIGHT_STORE_POSTGRES_KEPT_H

#include "postgres_cache.h"
#include "postgres_own.h"

/* A job that another node had written when a transaction relied on its kept row, or read it. */
struct pg_shared_job {
	int64_t key;
	char id[ID_MAX + 1];
	uint32_t version;            /* of the row that a failed transaction has relied on */
	uint64_t until_ms, pause_ms; /* it is not kept until then; for how long */
	UT_hash_handle hh, by_id;
};

/* `{0}` is valid. */
struct pg_kept {
	struct pg_cache rows;               /* jobs and tasks */
	struct pg_shared_job *shared;       /* by key */
	struct pg_shared_job *shared_by_id; /* the same */
	struct pg_own own;                  /* tasks of theirs */
	uint64_t generations;               /* so many were given */
	uint64_t answers_ms; /* until then answers are read, and not taken to be absent */
	uint32_t oldest;     /* a version that is as old as any */
};

void pg_kept_clear(struct pg_kept *k);

/*
 * Moves the rows to the cache of a transaction that has no others.  False: a row is not there, and
 * nothing was moved.
 *
 * Answers are not kept.  Those of the jobs are taken to be absent, because hardly any request is
 * repeated; the transaction fails if one is not.
 */
bool pg_kept_use(struct pg_kept *k, struct pg_cache *c, const struct expected *e);
/* Puts the key and the version of each of its jobs into `checks`, whose types are "ix". */
void pg_kept_checks(const struct pg_cache *c, struct pg_rows *checks);

/* The transaction with these rows was committed.  `version`: its number; 0: it wrote nothing. */
void pg_kept_save(struct pg_kept *k, struct pg_cache *c, uint32_t version);

/* Whether a transaction with these rows can be sent: none of them was written by one that has no
 * answer yet. */
bool pg_kept_have_versions(const struct pg_cache *c);

/* The jobs of a transaction whose commit was sent. */
struct pg_sent_job {
	int64_t key;
	uint32_t version; /* that it relied on, or read */
	bool written;
	char id[ID_MAX + 1];
};

struct pg_sent {
	struct pg_sent_job *jobs;
	size_t count, cap;
};

/* The same for a transaction that was sent, which has written something.  `relies`: it has kept
 * rows of jobs, and others may be under way. */
void pg_kept_send(struct pg_kept *k, struct pg_cache *c, bool relies, struct pg_sent *sent);
/* It was committed.  The next transaction has the cache `c`. */
void pg_kept_committed(struct pg_kept *k, struct pg_cache *c, const struct pg_sent *sent,
                       uint32_t version);
/* It was not, and its rows are not kept. */
void pg_kept_forget(struct pg_kept *k, const struct pg_sent *sent);

/* An answer that was taken to be absent may not be. */
void pg_kept_answers_failed(struct pg_kept *k);
/* The transaction has failed that relied on the row of this version, which may be an old one. */
void pg_kept_failed(struct pg_kept *k, int64_t key, const char *id, uint32_t version);
/* A row of a job was read, which has this version.  Returns whether others write it too. */
bool pg_kept_was_read(struct pg_kept *k, const char *id, int64_t key, uint32_t version);
/* A row of a task was read, which has this version. */
void pg_kept_task_was_read(struct pg_kept *k, int64_t job, struct slice id, uint32_t version);
/* A task of a job that others write too whose row need not be read; NULL: there is none. */
const struct pg_own_task *pg_kept_own_task(const struct pg_kept *k, const struct expected_task *e);
/* The job of this key was deleted; its id has another one now. */
void pg_kept_is_another(struct pg_kept *k, int64_t key);

#endif
