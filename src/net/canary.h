/*
 * Whether a write gets through: one canary at a time goes through the store thread, and comes back
 * as an event to a subscriber in each loop.  At most one flies in CANARY_MS, however many ask; the
 * others share its verdict.  See joblight/core/canary.h.
 *
 * Functions with a conn or a loop run in the thread of that loop.
 */
#ifndef JOBLIGHT_NET_CANARY_H
#define JOBLIGHT_NET_CANARY_H

#include <pthread.h>
#include <stdatomic.h>

#include "joblight/core/hub.h"
#include "joblight/core/op.h"

#define CANARY_MS 1000          /* a verdict is shared for so long */
#define CANARY_DEADLINE_MS 1500 /* a canary that is not back by then is lost */
#define CANARY_REASON_MAX 320

struct conn;
struct loop;
struct loops;

struct canary_verdict {
	bool ok;
	char reason[CANARY_REASON_MAX]; /* when it is not ok */
};

/* Shared by all loops. */
struct canary {
	pthread_mutex_t lock; /* protects the rest */
	uint64_t number;      /* of the last one; 0: there was none */
	uint64_t sent_ms;     /* monotonic */
	bool flies, committed;
	unsigned heard; /* by so many loops */
	struct canary_verdict verdict;
};

typedef void canary_answer(struct conn *c, const struct canary_verdict *v);

struct canary_asker {
	uint64_t id; /* of its connection */
	canary_answer *answer;
};

/* The part of one loop. */
struct canary_watch {
	struct subscriber subscriber;
	struct loop *loop;
	struct canary_asker *askers;
	size_t count, cap;
	atomic_bool asked; /* some wait for the verdict */
};

void canary_init(struct canary *c);
void canary_finish(struct canary *c);
void canary_watch_start(struct loop *l); /* after its hub was created */
void canary_watch_finish(struct loop *l);

/* Answers the request of the connection, now or later, unless it has gone by then. */
void canary_ask(struct conn *c, canary_answer *answer);
/* The operation has returned.  Takes `op`. */
void canary_returned(struct loop *l, struct op *op);
/* There is a verdict. */
void canary_tell(struct loop *l);
/* Each tick: a canary may be lost. */
void canary_tick(struct loop *l);

#endif
