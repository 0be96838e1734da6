/*
 * Connections before libwebsockets gets them.  Looks at the head of the first request with MSG_PEEK
 * (request_head.h).  A connection with a good head is passed on with its bytes unread; one with a
 * bad head is answered here.  Most heads are complete when the connection is accepted, so most
 * connections are passed on at once.
 *
 * Runs in the thread of the loop.
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
	/* Takes the descriptor.  `seen` is still unread there, and begins with a good head. */
	void (*enter)(void *context, int fd, struct slice seen);
	void (*gone)(void *context); /* A connection that arrived was closed before it entered. */
	unsigned (*refused)(
	    void *context); /* A stream is rejected with an event (refusal.h).  Returns the time in
	                       ms after which it may come back. */
	void *context;
	struct list pending;
	char *peek; /* one buffer for all connections */
	size_t peek_size;
};

void admission_init(struct admission *d, uv_loop_t *loop, const struct limits *limits,
                    void (*enter)(void *, int, struct slice), void (*gone)(void *), void *context);
void admission_finish(struct admission *d);
void admission_arrive(struct admission *d, int fd); /* takes the descriptor */
/* Takes the descriptor, and answers its first request with `problem`, which has to stay valid. */
void admission_reject(struct admission *d, int fd, const struct problem *problem);
void admission_tick(struct admission *d, uint64_t now_ms); /* closes those that are late */
void admission_close(struct admission *d);                 /* closes all */

#endif
