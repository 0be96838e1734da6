#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "joblight/base/xalloc.h"
#include "write_all.h"

#define CHUNK 65536
/*
 * After a little output, the pump waits for this long before it reads again: a build that prints
 * line after line then costs a fraction of the wake-ups, and nobody sees the difference.
 */
#define GATHER_MS 5
#define LITTLE 4096 /* bytes */
/* A pipe or a terminal holds less: after so many bytes, what was written before the end is read. */
#define LAST_BYTES (1 << 20)

struct pump {
	struct course courses[COURSES_MAX];
	struct pump_visitor visitor;
	pthread_t thread;
	int ended_fd, done_fd;
	bool has_ended; /* the command */
	bool gathers;   /* what was read last was little */
	size_t last_left[COURSES_MAX];
	char chunk[CHUNK];
};

static void close_course(struct pump *p, int i)
{
	close(p->courses[i].from);
	p->courses[i].from = -1;
}

/* Returns whether there may be more.  A terminal whose other side is closed is EIO. */
static bool carry(struct pump *p, int i)
{
	struct course *c = &p->courses[i];
	ssize_t n = read(c->from, p->chunk, CHUNK);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return errno == EINTR;
	if (n <= 0) {
		close_course(p, i);
		return false;
	}
	p->visitor.passed(p->visitor.context, i, (struct slice){ p->chunk, (size_t)n });
	if (n < CHUNK)
		p->visitor.paused(p->visitor.context);
	p->gathers = n < LITTLE;
	if (!write_all(c->to, p->chunk, (size_t)n)) {
		close_course(p, i);
		p->visitor.broken(p->visitor.context, i);
		return false;
	}
	p->last_left[i] -= p->has_ended ? (size_t)n < p->last_left[i] ? (size_t)n : p->last_left[i]
	                                : 0;
	return p->last_left[i] > 0;
}

static void carry_rest(struct pump *p)
{
	p->has_ended = true;
	for (int i = 0; i < COURSES_MAX; i++)
		while (p->courses[i].from >= 0 && carry(p, i))
			;
}

/* Waits for output, or for the end of the command; false: it has ended. */
static bool turn(struct pump *p)
{
	struct pollfd fds[COURSES_MAX + 1];

	if (p->gathers)
		poll(&(struct pollfd){ .fd = p->ended_fd, .events = POLLIN }, 1, GATHER_MS);
	p->gathers = false;
	for (int i = 0; i < COURSES_MAX; i++)
		fds[i] = (struct pollfd){ .fd = p->courses[i].from, .events = POLLIN };
	fds[COURSES_MAX] = (struct pollfd){ .fd = p->ended_fd, .events = POLLIN };
	if (poll(fds, COURSES_MAX + 1, -1) < 0)
		return true;
	if (fds[COURSES_MAX].revents)
		return false;
	for (int i = 0; i < COURSES_MAX; i++)
		if (fds[i].revents)
			carry(p, i);
	return true;
}

static void *run(void *context)
{
	struct pump *p = context;

	while (turn(p))
		;
	carry_rest(p);
	if (eventfd_write(p->done_fd, 1) != 0)
		abort();
	return NULL;
}

struct pump *pump_start(const struct course courses[COURSES_MAX],
                        const struct pump_visitor *visitor)
{
	struct pump *p = xcalloc(1, sizeof(*p));

	p->visitor = *visitor;
	for (int i = 0; i < COURSES_MAX; i++) {
		p->courses[i] = courses[i];
		p->last_left[i] = LAST_BYTES;
	}
	p->ended_fd = eventfd(0, EFD_CLOEXEC);
	p->done_fd = eventfd(0, EFD_CLOEXEC);
	if (p->ended_fd >= 0 && p->done_fd >= 0 && pthread_create(&p->thread, NULL, run, p) == 0)
		return p;
	free(p);
	return NULL;
}

void pump_command_ended(struct pump *p)
{
	if (eventfd_write(p->ended_fd, 1) != 0)
		abort();
}

int pump_done_fd(const struct pump *p)
{
	return p->done_fd;
}

void pump_abandon(struct pump *p)
{
	pthread_detach(p->thread);
}

bool pump_free(struct pump *p)
{
	bool all = true;

	pthread_join(p->thread, NULL);
	for (int i = 0; i < COURSES_MAX; i++) {
		all = all && p->courses[i].from < 0;
		if (p->courses[i].from >= 0)
			close(p->courses[i].from);
	}
	close(p->ended_fd);
	close(p->done_fd);
	free(p);
	return all;
}
