/*
 * Messages of other threads for a loop: commits from the store thread, finished reads, and messages
 * of other loops (its peers).  There are three mailboxes, because each has its own bound, and one
 * wake-up.  The loop then takes all commits first and all peer messages; each turn takes a few
 * reads.
 */
#ifndef JOBLIGHT_NET_THREAD_MAIL_H
#define JOBLIGHT_NET_THREAD_MAIL_H

#include "joblight/core/batch.h"
#include "joblight/core/limits.h"
#include "joblight/base/mailbox.h"
#include "joblight/core/op.h"
#include "joblight/core/presence.h"

struct certificates;
struct keyring;
struct loop;
struct loop_settings;
struct passed_client;

enum peer_kind {
	PEER_WATCHERS,
	PEER_PRESENCE,
	PEER_LIMITS,
	PEER_SETTINGS,
	PEER_KEYRING,
	PEER_ISSUER,
	PEER_CERTIFICATES,
	PEER_CANARY,
	PEER_RETIRE,
	PEER_PAUSE,
	PEER_LOOK,
	PEER_RESUME,
	PEER_LEAVE,
	PEER_ADOPT,
	PEER_CLOSE,
	PEER_STOP
};

/* A committed batch, and the operations of this loop that were committed with it. */
struct commit {
	struct mail mail;
	struct batch *batch;
	struct op *ops;
};

/* A message of another loop or of the main thread. */
struct peer_message {
	struct mail mail;
	enum peer_kind kind;
	char job_id[ID_MAX + 1];
	unsigned who, count;
	struct presence_report report;
	struct keyring *keyring;           /* of PEER_KEYRING; a reference of the message */
	struct issuer *issuer;             /* of PEER_ISSUER; a reference of the message */
	struct limits *limits;             /* of PEER_LIMITS; freed with the message */
	struct loop_settings *settings;    /* of PEER_SETTINGS; the message holds them */
	struct certificates *certificates; /* of PEER_CERTIFICATES; the message holds them */
	struct passed_client *client;      /* of PEER_ADOPT; owned until it is taken */
};

void thread_mail_free_peer(struct peer_message *n);
void thread_mail_init(struct loop *l); /* call it before the first post */
/* The loop is about to close: it takes no more messages of its peers, and is not woken any more. */
void thread_mail_close(struct loop *l);
void thread_mail_finish(struct loop *l);
void thread_mail_join(struct loop *l); /* joins the bus, which sets l->peer */

/*
 * Any thread.  PEER_WATCHERS: loop `who` has `count` watchers of the job.  Other kinds use neither;
 * PEER_STOP also has no job.
 */
void thread_mail_post_peer(struct loop *l, enum peer_kind kind, const char *job_id, unsigned who,
                           unsigned count);

/* Any thread.  The loop takes over the LIVE limits. */
void thread_mail_post_limits(struct loop *l, const struct limits *limits);

/* Any thread.  The loop takes over the settings. */
void thread_mail_post_settings(struct loop *l, struct loop_settings *settings);

/* Any thread.  The loop takes over the keyring, unless it has one that is as new. */
void thread_mail_post_keyring(struct loop *l, struct keyring *ring);

/* Any thread.  The loop takes over the issuer. */
void thread_mail_post_issuer(struct loop *l, struct issuer *issuer);

/* Any thread.  The loop uses these certificates from now on. */
void thread_mail_post_certificates(struct loop *l, struct certificates *certificates);

/* Any thread.  The loop goes on with the connection.  Takes it. */
void thread_mail_post_adopt(struct loop *l, struct passed_client *client);

/*
 * Any loop's thread.  Sends the report of an agent to the other loops.  A report without an agent
 * says that the connection `owner` has closed.
 */
void thread_mail_post_presence(struct loop *l, const struct presence_report *w);

#endif
