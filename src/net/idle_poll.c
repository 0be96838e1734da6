#include "idle_poll.h"

#include <sys/epoll.h>
#include <unistd.h>

#define TAKEN 64 /* in one turn */

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct hangups *h = poll->data;
	struct epoll_event found[TAKEN];

	(void)events;
	int count = status < 0 ? 0 : epoll_wait(h->fd, found, TAKEN, 0);
	for (int i = 0; i < count; i++)
		h->hung_up(h->context, found[i].data.u64);
}

bool hangups_init(struct hangups *h, uv_loop_t *loop, void (*hung_up)(void *context, uint64_t id),
                  void *context)
{
	*h = (struct hangups){ .fd = epoll_create1(EPOLL_CLOEXEC),
		               .hung_up = hung_up,
		               .context = context };
	if (h->fd < 0)
		return false;
	uv_poll_init(loop, &h->poll, h->fd);
	h->poll.data = h;
	uv_poll_start(&h->poll, UV_READABLE, on_readable);
	return true;
}

void hangups_close(struct hangups *h)
{
	uv_close((uv_handle_t *)&h->poll, NULL);
}

void hangups_finish(struct hangups *h)
{
	close(h->fd);
}

void hangups_watch(struct hangups *h, int fd, uint64_t id)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.u64 = id };

	epoll_ctl(h->fd, EPOLL_CTL_ADD, fd, &event);
}

void hangups_forget(struct hangups *h, int fd)
{
	epoll_ctl(h->fd, EPOLL_CTL_DEL, fd, NULL);
}
