/*
 * Checks the jobs of a database: the log of each has no holes and ends at the job's head, and the
 * fold of its events makes its rows (job_import.h).  Changes nothing.
 */
#ifndef JOBLIGHT_CORE_JOB_CHECK_H
#define JOBLIGHT_CORE_JOB_CHECK_H

#include "joblight/core/store.h"

struct job_check {
	uint64_t jobs, events;
	uint64_t folded; /* jobs whose log is whole */
	uint64_t faults;
};

/* `words`: what is wrong with the job. */
typedef void job_fault(void *context, const char *job_id, const char *words);

/*
 * `s`: a reading session with an open transaction.  `scratch`: the writing session of a memory
 * store, which holds the tasks of one job at a time.  Anything but STORE_OK: `s` failed.
 * job_check_one() adds to the counts.
 */
enum store_result job_check_one(struct store *s, struct store *scratch, const struct job_row *row,
                                job_fault *report, void *context, struct job_check *counts);
enum store_result job_check_all(struct store *s, struct store *scratch, job_fault *report,
                                void *context, struct job_check *counts);

#endif
