/*
 * The export of a job: lines of JSON (NDJSON) with the whole log and the rows that it makes.
 *
 *   {"joblight":"job","version":1,"id":…,"epoch":…,"first":1}   the seq of the first event
 *   {"type":…,"jobId":…,"seq":1,…}                              each event, as it was sent
 *   {"task":{…}}                                                 each task, by position
 *   {"deliverable":{…}}                                          each deliverable
 *   {"job":{…},"bytes":…,"creator":…}                            the job
 *   {"end":{"events":…,"tasks":…,"deliverables":…,"sha256":…}}   of all bytes before this line
 *
 * It is read in pages, so that neither a page nor a transaction is larger than asked for.  Between
 * two pages the job may go on, as long as there are events left to read.
 */
#ifndef JOBLIGHT_CORE_JOB_EXPORT_H
#define JOBLIGHT_CORE_JOB_EXPORT_H

#include "joblight/base/buf.h"
#include "joblight/core/store.h"

#define EXPORT_VERSION 1

enum export_part { EXPORT_HEAD, EXPORT_EVENTS, EXPORT_TASKS, EXPORT_DELIVERABLES, EXPORT_DONE };

/* How far an export is; plain data.  {0}: at its beginning. */
struct export_at {
	enum export_part part;
	uint64_t first, seq; /* the first event, and the last one that was written */
	uint64_t row;        /* tasks or deliverables that were written */
	char epoch[EPOCH_LEN + 1];
	uint32_t tasks, deliverables;
};

enum export_result {
	EXPORT_OK,      /* `out` has a page; the last one if at->part is EXPORT_DONE */
	EXPORT_NO_JOB,  /* there is no such job */
	EXPORT_CHANGED, /* what is left to read has changed: begin again */
	EXPORT_FAILED,  /* store_error() */
};

/*
 * Appends the next page: about `bytes`, but at least one line.  Within a transaction of a reading
 * session.  The rows of a job that has not ended are one page, because they must be of one moment.
 */
enum export_result job_export_page(struct store *s, const char *job_id, struct export_at *at,
                                   size_t bytes, struct buf *out);

/* Appends the last line.  `sha256`: of all that was written before. */
void job_export_end(const struct export_at *at, const uint8_t sha256[DIGEST_LEN], struct buf *out);

#endif
