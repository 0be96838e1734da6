/* Jobs that are written in one transaction, and are then read again. */
#ifndef JOBLIGHT_SERVE_COPY_BATCH_H
#define JOBLIGHT_SERVE_COPY_BATCH_H

#include "copying.h"
#include "joblight/core/job_copy.h"
#include "joblight/core/job_digest.h"

#define BATCH_JOBS 512
#define BATCH_ROWS 4000
#define BATCH_BYTES ((size_t)4 << 20)

struct batch_job {
	struct job_row row; /* of the original; owns its texts */
	struct job_row old; /* of the copy, without texts; key 0: none */
	int64_t key;        /* that it got in the copy */
};

struct copy_batch {
	struct batch_job jobs[BATCH_JOBS];
	size_t count;
	struct copy_room room; /* that is left */
};

void copy_batch_start(struct copy_batch *b); /* empty, with all its room */
/* Copies the row.  `old`: the job whose place it takes, or NULL. */
void copy_batch_add(struct copy_batch *b, const struct job_row *row, const struct job_row *old);

/*
 * Writes the jobs of the batch, compares them, and empties it.  `whole`: they have their room;
 * otherwise it is one job, which is written in pieces.  A job that cannot be copied is a fault.
 * False after a message: it cannot go on.
 */
bool copy_batch_write(struct copying *c, struct copy_batch *b, bool whole);

#endif
