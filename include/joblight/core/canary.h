/*
 * A canary: a write of the server itself that goes the way of every write, through a commit, the
 * ring of each loop and a subscriber there.  It is no part of any job: its events belong to a log
 * that no store has, under a name that no job can have, and the store keeps one row of the last.
 */
#ifndef JOBLIGHT_CORE_CANARY_H
#define JOBLIGHT_CORE_CANARY_H

#include <stdbool.h>

#define CANARY_JOB " canary"      /* no id has a space */
#define CANARY_EPOCH "canary0000" /* of EPOCH_LEN */

/* Whether this is its name: nothing of it is in the metrics of jobs and watchers. */
static inline bool canary_has_name(const char *job_id)
{
	return job_id[0] == CANARY_JOB[0];
}

#endif
