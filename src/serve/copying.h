/*
 * What the parts of `joblight db copy` share.
 *
 *   db_copy.c       opens both databases and calls the others
 *   copying.c       messages, and what is counted
 *   copy_place.c    the locations
 *   copy_clock.c    the clock of the copy
 *   copy_known.c    compares the jobs that the copy has with those of the original
 *   copy_jobs.c     which jobs are copied, in their order
 *   copy_batch.c    writes jobs and reads them again
 *   copy_rest.c     what belongs to no job
 *   copy_days.c     the rows of jobs and days
 */
#ifndef JOBLIGHT_SERVE_COPYING_H
#define JOBLIGHT_SERVE_COPYING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "joblight/core/job_digest.h"
#include "joblight/store/backend.h"

#define COPY_FAULTS_MAX 100 /* more are counted, and not printed */

struct copied_key {
	int64_t from, to;
};

struct copying {
	struct store *from; /* reads the original, with an open transaction */
	struct store *to;   /* writes the copy, without one */
	struct store *back; /* reads the copy, without one */
	struct store *scratch;
	char from_name[DATABASE_SHOWN_MAX], to_name[DATABASE_SHOWN_MAX];
	const atomic_bool *stop;
	int64_t shift;           /* steady time of the copy less that of the original, in ms */
	uint64_t known;          /* jobs that the copy had before */
	struct copied_key *keys; /* of the jobs that are in both, in the order of `from` */
	size_t key_count;
	uint64_t jobs, copied, same, events, rows; /* same: they were there already */
	uint64_t faults;                           /* jobs that were not copied */
	uint64_t printed_ms;
};

/* Prints a message about a job that cannot be copied. */
void copy_fault(struct copying *c, const char *job_id, const char *words);
/* Prints what has failed; returns false. */
bool copy_read_failed(const struct copying *c);
bool copy_write_failed(const struct copying *c);
bool copy_back_failed(const struct copying *c);
/* After a failure of the reading session; false after a message. */
bool copy_read_again(struct copying *c);
/* Notes that the job with this key in the original has that one in the copy, and is the same. */
void copy_add_job(struct copying *c, int64_t from, int64_t to, const struct job_digest *d);

bool copy_clock(struct copying *c);
bool copy_known(struct copying *c);
bool copy_known_remove(struct copying *c);
bool copy_jobs(struct copying *c);
bool copy_rest(struct copying *c);
bool copy_days(struct copying *c);

#endif
