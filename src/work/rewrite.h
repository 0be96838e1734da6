/*
 * Rewriting the database while the server runs.  The store does it in a thread of its own, and
 * nothing is written meanwhile: updates wait for a second, and then are answered 503 until it is
 * done.  Streams and reads go on.
 *
 * In the store thread.
 */
#ifndef JOBLIGHT_WORK_REWRITE_H
#define JOBLIGHT_WORK_REWRITE_H

#include "joblight/work/writer.h"

struct rewrite {
	struct store *store;
	struct mailbox *queue;
	writer_deliver *deliver;
	void *context;
	atomic_uint_least64_t *turned_ms; /* see writer_turned_ms() */
};

/*
 * Does it, and answers the first op, which asks for it.  Those after it wait like those that come
 * meanwhile.  Returns the ops that still wait to be written.
 */
struct op *rewrite_run(const struct rewrite *w, struct op *ops);

#endif
