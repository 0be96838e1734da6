/*
 * What other threads have for a loop: commits from the store thread, reads that were answered, and
 * messages from the other loops (its peers).  Three mailboxes, since each has its own bound; one
 * wake-up, after which the loop takes commits first, and all but the reads, of which a turn takes a
 * few.
 */
#ifndef JOBLIGHT_NET_THREAD_MAIL_H
#define JOBLIGHT_NET_THREAD_MAIL_H

#include "joblight/core/batch.h"
#include "joblight/core/limits.h"
#include "joblight/base/mailbox.h"
#include "joblight/core/op.h"
#include "joblight/core/presence.h"

struct loop;

enum peer_kind { PEER_WATCHERS, PEER_PRESENCE, PEER_LIMITS, PEER_CLOSE, PEER_STOP };

/* A committed batch with the ops of this loop that it answers. */
struct commit {
	struct mail mail;
	struct batch *batch;
	struct op *ops;
};

/* A message from another thread. */
struct peer_message {
	struct mail mail;
	enum peer_kind kind;
	char job_id[ID_MAX + 1];
	unsigned who, count;
	struct presence_report word;
	struct limits *limits; /* of PEER_LIMITS; freed with the message */
};

void thread_mail_init(struct loop *l); /* before its first post */
void thread_mail_finish(struct loop *l);
void thread_mail_join(struct loop *l); /* joins the bus, which sets l->peer */

/* Any thread.  Of a job (or NULL): the loop `who` has `count` watchers. */
void thread_mail_post_peer(struct loop *l, enum peer_kind kind, const char *job_id, unsigned who,
                           unsigned count);

/* Any thread.  The loop takes over the LIVE limits. */
void thread_mail_post_limits(struct loop *l, const struct limits *limits);

/* Any thread of a loop.  Tells the other loops of an agent; a word without an agent says that its
 * owner has gone. */
void thread_mail_post_presence(struct loop *l, const struct presence_report *w);

#endif
