/*
 * The reader threads: snapshots, lists, history and refills, each thread on a reading session of
 * its own.
 *
 * Reads that wait are piled up by job.  One thread at a time works on a job's pile, and on some of
 * it only before the other jobs get their turn, so that one large job does not hold up the others.
 *
 * Equal questions that wait at the same time are asked once.  Only those that were posted before
 * the answer was begun share it, because a question must see everything that was committed before
 * it.  A read whose asker has gone is not begun.
 */
#ifndef JOBLIGHT_WORK_READER_H
#define JOBLIGHT_WORK_READER_H

#include "joblight/core/query.h"

struct reader;

/* Called in a reader thread with the answered request, which is handed over. */
typedef void reader_deliver(struct read_request *r);

/* One thread for each session; the sessions are taken over. */
struct reader *reader_start(struct store *const *sessions, unsigned count,
                            const struct limits *limits, reader_deliver *deliver);
bool reader_submit(struct reader *r,
                   struct read_request *request); /* any thread; false: still the caller's */
/* Ends the threads.  What is being read is answered, what still waits gets 503. */
void reader_stop(struct reader *r);
void reader_free(struct reader *r); /* after everybody has released his snapshots; NULL is fine;
                                       closes the sessions */

#endif
