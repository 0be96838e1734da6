/*
 * Waits for hang-ups of streams, and of WebSockets that only watch, in an epoll set of its own.  In
 * the loop's own set, a request would wait until ten thousand hang-ups before it were handled,
 * because epoll reports in order of arrival; here a turn of the loop takes only a few.  The loop
 * polls the descriptor of this set, which epoll(7) allows.
 *
 * Runs in the thread of the loop.
 */
#ifndef JOBLIGHT_NET_IDLE_POLL_H
#define JOBLIGHT_NET_IDLE_POLL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct idle_poll {
	int fd;
	uv_poll_t poll;
	void (*hung_up)(void *context, uint64_t id);
	void *context;
};

/*
 * `hung_up` gets the id that was passed to idle_poll_watch().  It is called again in each turn
 * until the descriptor is closed or forgotten.
 */
bool idle_poll_init(struct idle_poll *h, uv_loop_t *loop,
                    void (*hung_up)(void *context, uint64_t id), void *context);
void idle_poll_close(struct idle_poll *h); /* closes its handle; call idle_poll_finish() after the
                                              loop has closed it */
void idle_poll_finish(struct idle_poll *h);

/*
 * Waits for the end of input, for unexpected input, or for an error on `fd`.  Closing the
 * descriptor also removes it from the set.
 */
void idle_poll_watch(struct idle_poll *h, int fd, uint64_t id);
void idle_poll_forget(struct idle_poll *h, int fd);

#endif
