/*
 * Watches streams, and WebSockets that only watch, for a peer that hangs up, outside of the loop's
 * own poll set: epoll tells in order of arrival, and behind ten thousand hang-ups a request
 * would wait for the last of them.  A turn of the loop takes a few.  epoll(7): an epoll descriptor
 * can itself be polled.
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

/* `hung_up` gets what idle_poll_watch() was given, again and again until the descriptor is closed
 * or forgotten. */
bool idle_poll_init(struct idle_poll *h, uv_loop_t *loop,
                    void (*hung_up)(void *context, uint64_t id), void *context);
void idle_poll_close(
    struct idle_poll *h); /* its handle; idle_poll_finish() when the loop has closed it */
void idle_poll_finish(struct idle_poll *h);

/* End of input, input that nobody asked for, or an error on `fd`.  Closing the descriptor forgets
 * it. */
void idle_poll_watch(struct idle_poll *h, int fd, uint64_t id);
void idle_poll_forget(struct idle_poll *h, int fd);

#endif
