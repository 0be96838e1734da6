/*
 * Streams, and WebSockets that only watch, are watched here for their peer's hanging up, not in the
 * loop's own poll set: epoll tells in order of arrival, and behind ten thousand hang-ups a request
 * would wait for the last of them.  A turn of the loop takes a few.  epoll(7): an epoll descriptor
 * can itself be polled.
 */
#ifndef JOBLIGHT_NET_IDLE_POLL_H
#define JOBLIGHT_NET_IDLE_POLL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct hangups {
	int fd;
	uv_poll_t poll;
	void (*hung_up)(void *context, uint64_t id);
	void *context;
};

/* `hung_up` gets what hangups_watch() was given, again and again until the descriptor is closed or
 * forgotten. */
bool hangups_init(struct hangups *h, uv_loop_t *loop, void (*hung_up)(void *context, uint64_t id),
                  void *context);
void hangups_close(
    struct hangups *h); /* its handle; hangups_finish() when the loop has closed it */
void hangups_finish(struct hangups *h);

/* End of input, input that nobody asked for, or an error on `fd`.  Closing the descriptor forgets
 * it. */
void hangups_watch(struct hangups *h, int fd, uint64_t id);
void hangups_forget(struct hangups *h, int fd);

#endif
