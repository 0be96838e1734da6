/*
 * A listening socket on a loop.  It accepts in batches, sets the socket options, and drops
 * connections instead of spinning when descriptors run out.  The listener of lws does none of this.
 */
#ifndef JOBLIGHT_NET_LISTENER_H
#define JOBLIGHT_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "joblight/net/listen.h"

/* Takes the descriptor of a connection. */
typedef void listener_accepted(void *context, const struct listen *listen, int fd);

struct listener {
	uv_poll_t poll;
	uv_timer_t pause;  /* while it runs, nothing is accepted */
	int fd, spare;     /* `spare` is closed for a moment to accept and drop a connection when
	                      descriptors run out; -1 if it is lost */
	uint64_t tell_due; /* no failure is logged before this time */
	const struct listen *listen;
	listener_accepted *accepted;
	void *context;
	bool open;
};

/* Takes the listening descriptor.  `listen` is where it listens, and is borrowed. */
void listener_start(struct listener *l, uv_loop_t *loop, int fd, const struct listen *listen,
                    listener_accepted *accepted, void *context);
void listener_pause(struct listener *l);  /* clients wait in the queue of the socket */
void listener_resume(struct listener *l); /* after listener_pause() */
void listener_close(struct listener *l);  /* stops accepting; calling it twice is harmless */

#endif
