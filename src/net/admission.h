/*
 * Connections before libwebsockets has them.  The head of the first request is looked at with
 * MSG_PEEK (head.h); a good one is handed on unread, a bad one gets its answer here.  Most heads
 * are complete when the connection is accepted, so most connections do not stay.
 */
#ifndef JOBLIGHT_NET_ADMISSION_H
#define JOBLIGHT_NET_ADMISSION_H

#include <uv.h>

#include "joblight/base/list.h"
#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"

struct doorstep {
	uv_loop_t *loop;
	const struct limits *limits;
	/* The descriptor is handed over; `seen` waits there to be read, and begins with a good
	 * head. */
	void (*enter)(void *context, int fd, struct slice seen);
	void (*gone)(void *context); /* one that came has not entered, and is closed */
	unsigned (*refused)(
	    void *context); /* a stream is refused with an event; returns its wait (refusal.h) */
	void *context;
	struct list guests;
	char *peek; /* one buffer for all */
	size_t peek_size;
};

void doorstep_init(struct doorstep *d, uv_loop_t *loop, const struct limits *limits,
                   void (*enter)(void *, int, struct slice), void (*gone)(void *), void *context);
void doorstep_finish(struct doorstep *d);
void doorstep_arrive(struct doorstep *d, int fd); /* takes the descriptor */
/* Takes it too, and answers its first request with the problem, which stays valid. */
void doorstep_turn_away(struct doorstep *d, int fd, const struct problem *problem);
void doorstep_tick(struct doorstep *d, uint64_t now_ms); /* sends away who is late */
void doorstep_close(struct doorstep *d);                 /* sends everybody away */

#endif
