#include "idle_poll.h"

#include <sys/epoll.h>
#include <unistd.h>

#define TAKEN 64 /* maximum of hang-ups in one turn */

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct idle_poll *h = poll->data;
	struct epoll_event found[TAKEN];

	(void)events;
	int count = status < 0 ? 0 : epoll_wait(h->fd, found, TAKEN, 0);
	for (int i = 0; i < count; i++)
		h->hung_up(h->context, found[i].data.u64);
}

bool idle_poll_init(struct idle_poll *h, uv_loop_t *loop,
                    void (*hung_up)(void *context, uint64_t id), void *context)
{
	*h = (struct idle_poll){ .fd = epoll_create1(EPOLL_CLOEXEC),
		                 .hung_up = hung_up,
		                 .context = context };
	if (h->fd < 0)
		return false;
	uv_poll_init(loop, &h->poll, h->fd);
	h->poll.data = h;
	uv_poll_start(&h->poll, UV_READABLE, on_readable);
	return true;
}

void idle_poll_close(struct idle_poll *h)
{
	uv_close((uv_handle_t *)&h->poll, NULL);
}

void idle_poll_finish(struct idle_poll *h)
{
	close(h->fd);
}

void idle_poll_watch(struct idle_poll *h, int fd, uint64_t id)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.u64 = id };

	epoll_ctl(h->fd, EPOLL_CTL_ADD, fd, &event);
}

void idle_poll_forget(struct idle_poll *h, int fd)
{
	epoll_ctl(h->fd, EPOLL_CTL_DEL, fd, NULL);
}
