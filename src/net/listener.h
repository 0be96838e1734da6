/*
 * A listening socket on a loop: accepts in batches, sets the socket options, and sheds connections
 * when descriptors run out instead of spinning.  lws's own listener does none of this.
 */
#ifndef JOBLIGHT_NET_LISTENER_H
#define JOBLIGHT_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct listener {
	uv_poll_t poll;
	uv_timer_t pause; /* running: nothing is accepted until it ends */
	int fd, spare; /* `spare` is given up for a moment to accept and close what cannot be kept;
	                  -1: it is lost */
	uint64_t tell_due; /* before this, failures are not logged again */
	void (*accepted)(void *context, int fd);
	void *context;
	bool open;
};

/* Whether other loops listen on the same port: each of several has a socket, the kernel spreads
 * connections. */
enum sharing { SHARE_NOT, SHARE_FIRST, SHARE_NEXT };

/* A bound, listening socket; *port is the one it got.  -1 with a message. */
int listener_bind(const char *host, unsigned *port, enum sharing sharing, char *error,
                  size_t error_len);

void listener_start(struct listener *l, uv_loop_t *loop, int fd, void (*accepted)(void *, int),
                    void *context);
void listener_close(struct listener *l); /* stops accepting; harmless twice */

#endif
