/*
 * The rows of jobs and days (struct job_day_row).  The row of a day is written when the job is
 * created or first changes on that day, and for the last time when it ends, is removed, or first
 * changes on a later day, in the transaction that does so.  Private to the engine.
 *
 * The functions return false when the store failed; the working set holds the failure then.
 */
#ifndef JOBLIGHT_CORE_DAY_LOG_H
#define JOBLIGHT_CORE_DAY_LOG_H

#include "engine_internal.h"

/* Call it before an event of this time is logged. */
bool day_log_changes(struct engine *e, struct job_state *job, int64_t time);
/* The job ends in this transaction. */
void day_log_ends(struct engine *e, struct job_state *job);
/* Call it before the job is removed. */
bool day_log_removes(struct engine *e, struct job_state *job);
/* Writes the rows that are due.  Call it before the commit, when all other rows are written. */
enum store_result day_log_flush(struct engine *e);

#endif
