/*
 * A reader thread: snapshots, lists, history and refills, on a reading session of its own.
 *
 * Equal questions that wait at the same time are asked once.  Only those that were posted before the
 * answer was begun share it, because a question must see everything that was committed before it.
 */
#ifndef JOBLIGHT_STORE_READER_H
#define JOBLIGHT_STORE_READER_H

#include "joblight/core/reading.h"

struct reader;

/* Called in the reader thread with the answered request, which is handed over. */
typedef void reader_deliver(struct read_request *r);

struct reader *reader_start(struct store *store, const struct limits *limits, reader_deliver *deliver);
bool reader_submit(struct reader *r, struct read_request *request); /* any thread; false: still the caller's */
void reader_stop(struct reader *r);                                 /* answers what was taken, ends the thread */
void reader_free(struct reader *r);                                 /* NULL is fine; closes the session */

#endif
