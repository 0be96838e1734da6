/*
 * The process whose place this one takes, see handover.h.  Main thread only.
 */
#ifndef JOBLIGHT_SERVE_PREDECESSOR_H
#define JOBLIGHT_SERVE_PREDECESSOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "handover.h"
#include "listen_option.h"

struct loops;

struct predecessor {
	int control; /* -1: there is none */
	struct handover_packet packet;
	struct inherited inherited[LISTENS_MAX]; /* of each address of this process */
	/* by their index there, where its addresses are in this process; -1: nowhere */
	int listens[LISTENS_MAX];
	unsigned count;
	struct loops *loops;
	pthread_t thread; /* takes its clients */
	atomic_bool goes; /* it has not ended yet */
};

/* Whether this process is to take the place of another.  False: a message on stderr says why it
 * cannot be started; without a predecessor, p->control is -1. */
bool predecessor_find(struct predecessor *p);
/* Finds its sockets for the addresses of this process, and closes the others. */
void predecessor_match(struct predecessor *p, const struct listens *listens);
/* Waits until the database is free. */
bool predecessor_release(struct predecessor *p);
/* Clients are served: waits until this process is the server, and takes clients from then on. */
void predecessor_follow(struct predecessor *p, struct loops *loops);
/* Whether it has not ended yet. */
bool predecessor_goes(const struct predecessor *p);
/* Takes no more clients.  Before the loops end. */
void predecessor_finish(struct predecessor *p);

#endif
