/*
 * Reports one task of one job in a thread of its own, so that nobody waits for the network.
 *
 * What has to be reported is one state, not a queue: while the server cannot be reached, newer
 * progress replaces older, and the end replaces both.  The reporter creates the job first.  A job
 * that exists already belongs to others: then only the task is reported, and the job stays open.
 */
#ifndef JOBLIGHT_CLI_REPORTER_H
#define JOBLIGHT_CLI_REPORTER_H

#include <stdbool.h>
#include <stdint.h>

#include "remote.h"

struct reporter;

struct reporter_task {
	const char *job, *task, *title;
	bool may_exist; /* the job; otherwise its id is new */
};

/*
 * Starts the thread.  The remote has its settings and is not connected; it and the texts must live
 * until the reporter is freed.  NULL: there can be no thread.
 */
struct reporter *reporter_start(struct remote *r, const struct reporter_task *task);

void reporter_progress(struct reporter *r, double percent);
/* The last report.  It is tried for so long; the note is copied. */
void reporter_end(struct reporter *r, const char *status, const char *note, int64_t timeout_ms);

/* Readable when all is done, or cannot be done.  Owned by the reporter. */
int reporter_done_fd(const struct reporter *r);

/*
 * NULL: all was delivered.  Otherwise why not, valid until the reporter is freed.  When it is not
 * done yet, this says what went wrong last.
 */
const char *reporter_trouble(struct reporter *r);

/* The process is about to end without waiting for it. */
void reporter_abandon(struct reporter *r);

/* After it is done. */
void reporter_free(struct reporter *r);

#endif
