/*
 * Rows of tasks that only this node writes, of jobs that other nodes write too (postgres_kept.h).
 *
 * The row of such a job is locked and read each time.  A task of it mostly has one worker, whose
 * requests come to one node, and then its row is still what this node has left.  Such a row is not
 * read.  The statement that writes what most updates change fails if it finds another version
 * (xmin); other rows are checked before they are written, or before the transaction ends.
 *
 * It is not known beforehand who writes a task.  A row is therefore read until it was found some
 * times in turn as this node had left it.  How often that has to be is one number for all tasks:
 * it is doubled when a transaction has failed because it was wrong, since the workers of other
 * tasks probably do as that one does, and halved when it was right for long.
 *
 * One thread.
 */
#ifndef JOBLIGHT_STORE_POSTGRES_OWN_H
#define JOBLIGHT_STORE_POSTGRES_OWN_H

#include "postgres_cache.h"

struct pg_own_task {
	int64_t job;
	struct task_row row; /* owns its texts */
	bool has_row;
	uint32_t version; /* of the row; 0: the transaction that wrote it has no answer yet */
	uint32_t doubted; /* the version that was relied on in vain, perhaps because others have
	                     written the row; 0: none */
	uint32_t same;    /* so often in turn it was as this node had left it */
	/* While a transaction is under way: */
	uint32_t relied; /* the version that it relied on; 0: it has read the row */
	struct pg_own_task *next;
	UT_hash_handle hh;
	struct pg_task_name name;
};

/* `{0}` is valid. */
struct pg_own {
	struct pg_own_task *tasks;
	struct pg_own_task
	    *under_way;  /* of the transaction that was sent, if it has read its jobs */
	uint32_t extra;  /* how often a task has to be the same, in addition to the least number */
	uint32_t held;   /* so many transactions were right since that was changed */
	bool has_failed; /* a transaction has, and it is not known yet which task was the cause */
};

void pg_own_clear(struct pg_own *o);

/* One whose row need not be read; NULL: there is none.  It is valid until `o` is changed. */
const struct pg_own_task *pg_own_find(const struct pg_own *o, int64_t job, struct slice id);
/* Puts its row into the cache of a transaction, if there is none. */
void pg_own_use(const struct pg_own_task *own, struct pg_cache *c);

/* The row of a task of such a job was read, and has this version. */
void pg_own_was_read(struct pg_own *o, int64_t job, struct slice id, uint32_t version);
/* Its row is kept in postgres_kept.h instead. */
void pg_own_forget(struct pg_own *o, const struct pg_task *task);
/* The same for all rows of a transaction that are not given to pg_own_send(). */
void pg_own_forget_all(struct pg_own *o, const struct pg_cache *c);

/* The transaction with these rows was sent, and has locked and read the rows of its jobs.  Takes
 * the rows of tasks that it has written, and notes those that it has read. */
void pg_own_send(struct pg_own *o, struct pg_cache *c);
/* That transaction was committed, and this is its number; or it was not. */
void pg_own_committed(struct pg_own *o, uint32_t version);
void pg_own_failed(struct pg_own *o);
/* The transaction with these rows has failed before it was sent. */
void pg_own_roll_back(struct pg_own *o, const struct pg_cache *c);

#endif
