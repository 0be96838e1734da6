/*
 * The reader threads: they read snapshots, lists, history and refills, each thread with a reading
 * session of its own.
 *
 * Waiting reads are queued by job.  One thread at a time serves the queue of a job, and only a part
 * of it before other jobs get their turn, so one large job does not block the others.
 *
 * Equal queries that wait at the same time are run once.  Only those that were submitted before the
 * query began share its result, because a query must see everything that was committed before it. A
 * read is not begun when the client that asked for it has gone.
 */
#ifndef JOBLIGHT_WORK_READER_H
#define JOBLIGHT_WORK_READER_H

#include "joblight/core/query.h"

struct reader;
struct metric_values;

/* Called in a reader thread with the answered request, which then belongs to the callee. */
typedef void reader_deliver(struct read_request *r);

/* Starts one thread for each session, and takes ownership of the sessions. */
struct reader *reader_start(struct store *const *sessions, unsigned count,
                            const struct limits *limits, reader_deliver *deliver);
bool reader_submit(struct reader *r,
                   struct read_request *request); /* any thread; false: it stays the caller's */
/* A source of metrics.  Any thread. */
void reader_measure(void *reader, struct metric_values *v);
/*
 * Ends the threads.  Reads in progress are answered; those that still wait are answered with 503.
 */
void reader_stop(struct reader *r);
void reader_free(
    struct reader *r); /* after the last snapshot was released; closes the sessions; NULL is fine */

#endif
