/*
 * Connections before libwebsockets has them.  The head of the first request is looked at with
 * MSG_PEEK (request_head.h); a good one is handed on unread, a bad one gets its answer here.  Most
 * heads are complete when the connection is accepted, so most connections do not stay.
 */
#ifndef JOBLIGHT_NET_ADMISSION_H
#define JOBLIGHT_NET_ADMISSION_H

#include <uv.h>

#include "joblight/base/list.h"
#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"

struct admission {
	uv_loop_t *loop;
	const struct limits *limits;
	/* The descriptor is handed over; `seen` waits there to be read, and begins with a good
	 * head. */
	void (*enter)(void *context, int fd, struct slice seen);
	void (*gone)(void *context); /* one that came has not entered, and is closed */
	unsigned (*refused)(
	    void *context); /* a stream is refused with an event; returns its wait (refusal.h) */
	void *context;
	struct list pending;
	char *peek; /* one buffer for all */
	size_t peek_size;
};

void admission_init(struct admission *d, uv_loop_t *loop, const struct limits *limits,
                    void (*enter)(void *, int, struct slice), void (*gone)(void *), void *context);
void admission_finish(struct admission *d);
void admission_arrive(struct admission *d, int fd); /* takes the descriptor */
/* Takes it too, and answers its first request with the problem, which stays valid. */
void admission_reject(struct admission *d, int fd, const struct problem *problem);
void admission_tick(struct admission *d, uint64_t now_ms); /* closes what is late */
void admission_close(struct admission *d);                 /* closes all */

#endif
