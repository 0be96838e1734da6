/*
 * The copy of a job from one database to another, in pieces, so that no transaction is large.  The
 * job keeps its epoch and the numbers of its events; it appears with the last piece.
 *
 * The reading session has an open transaction, or several one after another in which the job does
 * not change, and the writing one a transaction for each piece.  When one of these is rolled back,
 * the copy cannot go on; what is left of it is removed when the database is next opened.  One
 * thread.
 */
#ifndef JOBLIGHT_CORE_JOB_COPY_H
#define JOBLIGHT_CORE_JOB_COPY_H

#include "joblight/core/store.h"

/* What a transaction still takes. */
struct copy_room {
	size_t rows, bytes;
};

struct job_copy;

/*
 * `row`: the job in `from`, copied.  `shift`: is added to the times when its tasks become stalled.
 * `old`: the job in the other database that it takes the place of, or NULL; it is copied, too.
 */
struct job_copy *job_copy_begin(struct store *from, const struct job_row *row, int64_t shift,
                                const struct job_row *old);
void job_copy_free(struct job_copy *c);

/* Whether one transaction with so much room takes all of the job, which then has its part of it. */
enum store_result job_copy_fits(struct store *from, const struct job_row *row,
                                struct copy_room *room, bool *fits);

/*
 * Writes as much as there is room for, or all of it if `room` is NULL, because job_copy_fits().
 * *done: the job is there; otherwise commit, begin again and call it again.
 */
enum store_result job_copy_piece(struct job_copy *c, struct store *to, struct copy_room *room,
                                 bool *done);
/* The key that it has got. */
int64_t job_copy_key(const struct job_copy *c);
/* Whether it was the reading session that failed. */
bool job_copy_read_failed(const struct job_copy *c);

#endif
