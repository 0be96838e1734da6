#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "joblight/base/log.h"

#define ACCEPT_BATCH                                                                               \
	64            /* accepted at a time, before other connections of the loop get their turn */
#define PAUSE_MS 50   /* how long accepting stops after it fails */
#define TELL_MS 10000 /* how often a failure to accept is logged, at most */

static void on_readable(uv_poll_t *poll, int status, int events);

static void open_spare(struct listener *l)
{
	if (l->spare < 0)
		l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * When descriptors have run out, closes the spare one, accepts a connection with it and closes
 * that, so that the queue moves on.  False: another thread took the descriptor first.
 */
static bool drop_one(struct listener *l)
{
	open_spare(l);
	if (l->spare < 0)
		return false;
	close(l->spare);
	l->spare = -1;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	open_spare(l);
	return fd >= 0;
}

static void on_pause_over(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	open_spare(l);
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

/* Without a pause, the waiting connections would wake the loop again at once, without end. */
static void pause_accepting(struct listener *l)
{
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->pause, on_pause_over, PAUSE_MS, 0);
}

static void tell(struct listener *l, int cause)
{
	uint64_t now = uv_now(l->poll.loop);

	if (now < l->tell_due)
		return;
	l->tell_due = now + TELL_MS;
	log_warn("connections cannot be accepted", "cause", strerror(cause));
}

/* Errors of accept(2) that concern one connection only; the next one may be good. */
static bool is_of_the_connection(int cause)
{
	static const int causes[] = { ECONNABORTED, EINTR,        EPROTO,     ENOPROTOOPT, ENETDOWN,
		                      EHOSTDOWN,    EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ENONET };

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (cause == causes[i])
			return true;
	return false;
}

/* Whether to continue accepting now. */
static bool accept_failed(struct listener *l, int cause)
{
	if (cause == EAGAIN)
		return false;
	if (is_of_the_connection(cause))
		return true;
	tell(l, cause);
	if ((cause == EMFILE || cause == ENFILE) && drop_one(l))
		return true;
	pause_accepting(l);
	return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)events;
	if (status < 0)
		return;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			l->accepted(l->context, l->listen, fd);
		else if (!accept_failed(l, errno))
			return;
	}
}

void listener_start(struct listener *l, uv_loop_t *loop, int fd, const struct listen *listen,
                    listener_accepted *accepted, void *context)
{
	*l = (struct listener){ .fd = fd,
		                .spare = -1,
		                .listen = listen,
		                .accepted = accepted,
		                .context = context,
		                .open = true };
	open_spare(l);
	uv_poll_init(loop, &l->poll, fd);
	uv_timer_init(loop, &l->pause);
	l->poll.data = l->pause.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

void listener_pause(struct listener *l)
{
	if (!l->open)
		return;
	uv_poll_stop(&l->poll);
	uv_timer_stop(&l->pause);
}

void listener_resume(struct listener *l)
{
	if (l->open)
		uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

void listener_close(struct listener *l)
{
	if (!l->open)
		return;
	l->open = false;
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, NULL);
	uv_close((uv_handle_t *)&l->pause, NULL);
	close(l->fd);
	if (l->spare >= 0)
		close(l->spare);
}
