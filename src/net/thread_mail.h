/*
 * What other threads have for a loop: commits from the store thread, reads that were answered, and
 * notes from the other loops.  Three mailboxes, since each has its own bound; one wake-up, after
 * which the loop takes commits first, and all but the reads, of which a turn takes a few.
 */
#ifndef JOBLIGHT_NET_THREAD_MAIL_H
#define JOBLIGHT_NET_THREAD_MAIL_H

#include "joblight/core/batch.h"
#include "joblight/base/mailbox.h"
#include "joblight/core/op.h"
#include "joblight/core/presence.h"

struct loop;

enum note_kind { NOTE_WATCHERS, NOTE_PRESENCE, NOTE_CLOSE, NOTE_STOP };

/* A committed batch with the ops of this loop that it answers. */
struct commit {
	struct mail mail;
	struct batch *batch;
	struct op *ops;
};

/* A word from another thread. */
struct note {
	struct mail mail;
	enum note_kind kind;
	char job_id[ID_MAX + 1];
	unsigned who, count;
	struct presence_report word;
};

void inbox_init(struct loop *l); /* before its first post */
void inbox_finish(struct loop *l);
void inbox_join(struct loop *l); /* joins the bus, which sets l->peer */

/* Any thread.  What was committed, or NULL, and the ops of this loop that it answers; waits while
 * there is no room. */
void inbox_post_commit(struct loop *l, struct batch *batch, struct op *ops);
/* Any thread.  Of a job (or NULL): the loop `who` has `count` watchers. */
void inbox_post_note(struct loop *l, enum note_kind kind, const char *job_id, unsigned who,
                     unsigned count);

/* Any thread of a loop.  Tells the other loops of an agent; a word without an agent says that its
 * owner has gone. */
void inbox_post_presence(struct loop *l, const struct presence_report *w);

#endif
