/*
 * The rows of one transaction of the writing session: those that it has read, so that they are not
 * read again, and those that it is to write, which wait until all are written at once.
 *
 * One thread.
 */
#ifndef JOBLIGHT_STORE_POSTGRES_CACHE_H
#define JOBLIGHT_STORE_POSTGRES_CACHE_H

#include "joblight/base/hash.h"

#include "joblight/core/store.h"
#include "postgres_args.h"

enum pg_state {
	PG_UNKNOWN, /* not looked for in a way that counts */
	PG_ABSENT,
	PG_STORED, /* and locked, if it is a job */
	PG_NEW,    /* to be inserted */
};

struct pg_job {
	struct job_row row; /* owns its strings, if it is stored or new */
	enum pg_state state;
	bool dirty;
	bool whole;   /* more has changed than its seq, bytes and time of update */
	bool written; /* in this transaction */
	/* For postgres_kept.h. */
	uint32_t version;    /* of the row: the transaction that wrote it; 0: not known */
	bool under_way;      /* the transaction that wrote it has no answer yet, nor a version */
	uint64_t generation; /* of the rows of tasks that belong to it; 0: none */
	UT_hash_handle hh;
};

struct pg_task {
	int64_t job;
	struct task_row row;
	bool absent, dirty;
	bool is_read; /* it is in the database */
	bool whole;   /* more has changed than its status, progress, note and times of update and
	                 silence */
	bool written; /* in this transaction */
	uint64_t generation; /* that of its job when it was kept */
	/* For postgres_own.h. */
	uint32_t relied;    /* the version of the row that it was at first, if that was not read */
	uint32_t unchecked; /* the same, until that version is looked for; 0: it need not be */
	UT_hash_handle hh;
};

struct pg_answer {
	struct idempotency_row row;
	bool absent;
	bool was_absent; /* when it was looked for, so that nobody else may have put it since */
	bool unread;     /* it was not looked for, but taken to be absent */
	bool dirty;
	UT_hash_handle hh;
};

struct pg_cache {
	struct pg_job *jobs;       /* by id */
	struct pg_task *tasks;     /* by job and id */
	struct pg_answer *answers; /* by scope and key */
	struct pg_rows events, days;
	int64_t *keys; /* for new jobs */
	size_t key_count;
	bool dirty;
};

void pg_cache_init(struct pg_cache *c);
void pg_cache_clear(struct pg_cache *c);  /* forgets everything */
void pg_cache_finish(struct pg_cache *c); /* after pg_cache_clear() */
/* Forgets the rows that were read, when all are written. */
void pg_cache_forget(struct pg_cache *c);

struct pg_job *pg_cache_job(struct pg_cache *c, const char *id); /* NULL: it is not there */
/* Takes over the strings of the row, and replaces what is there. */
struct pg_job *pg_cache_put_job(struct pg_cache *c, const struct job_row *row, enum pg_state state);
/* The same for a row that is to be written: a copy. */
void pg_cache_change_job(struct pg_cache *c, const struct job_row *row, enum pg_state state);
struct pg_job *pg_cache_job_of_key(struct pg_cache *c, int64_t key);
void pg_cache_drop_job(struct pg_cache *c, struct pg_job *job);
/* It replaces what is there. */
void pg_cache_move_job(struct pg_cache *from, struct pg_cache *to, struct pg_job *job);

/* What a task is found by: the key of its job and its id. */
struct pg_task_name {
	char bytes[sizeof(int64_t) + ID_MAX];
	size_t len;
};

struct pg_task_name pg_name_task(int64_t job, struct slice id);
struct pg_task *pg_cache_task(struct pg_cache *c, int64_t job, struct slice id);
struct pg_task *pg_cache_put_task(struct pg_cache *c, int64_t job, const struct task_row *row);
void pg_cache_change_task(struct pg_cache *c, int64_t job, const struct task_row *row);
void pg_cache_no_task(struct pg_cache *c, int64_t job, struct slice id);
void pg_cache_move_task(struct pg_cache *from, struct pg_cache *to, struct pg_task *task);

struct pg_answer *pg_cache_answer(struct pg_cache *c, const char *scope, const char *key);
struct pg_answer *pg_cache_put_answer(struct pg_cache *c, const struct idempotency_row *row);
void pg_cache_no_answer(struct pg_cache *c, const char *scope, const char *key);

/* Copies whose strings the caller owns. */
void pg_copy_job(struct job_row *to, const struct job_row *from);
void pg_copy_task(struct task_row *to, const struct task_row *from);
void pg_copy_answer(struct idempotency_row *to, const struct idempotency_row *from);

#endif
