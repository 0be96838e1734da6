/*
 * A listening socket on a loop.  It accepts in batches, sets the socket options, and drops
 * connections instead of spinning when descriptors run out.  The listener of lws does none of this.
 */
#ifndef JOBLIGHT_NET_LISTENER_H
#define JOBLIGHT_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct listener {
	uv_poll_t poll;
	uv_timer_t pause;  /* while it runs, nothing is accepted */
	int fd, spare;     /* `spare` is closed for a moment to accept and drop a connection when
	                      descriptors run out; -1 if it is lost */
	uint64_t tell_due; /* no failure is logged before this time */
	void (*accepted)(void *context, int fd);
	void *context;
	bool open;
};

/*
 * Whether other loops listen on the same port.  If so, each has a socket of its own, and the kernel
 * distributes the connections.
 */
enum sharing { SHARE_NOT, SHARE_FIRST, SHARE_NEXT };

/* Returns a bound, listening socket, and sets *port to its port. -1: `error` says why. */
int listener_bind(const char *host, unsigned *port, enum sharing sharing, char *error,
                  size_t error_len);

void listener_start(struct listener *l, uv_loop_t *loop, int fd, void (*accepted)(void *, int),
                    void *context);
void listener_close(struct listener *l); /* stops accepting; calling it twice is harmless */

#endif
