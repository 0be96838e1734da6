#include "drain.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "write_all.h"

#define END COURSES_MAX /* a message; the others are the number of a course */

/* A course whose output cannot be written is read on, and discarded. */
static void carry(struct course *c)
{
	char bytes[65536];
	ssize_t n = read(c->from, bytes, sizeof(bytes));

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
		close(c->from);
		c->from = -1;
	} else if (n > 0 && c->to >= 0 && !write_all(c->to, bytes, (size_t)n)) {
		c->to = -1;
	}
}

static void take_over(struct course *courses)
{
	struct pollfd fds[COURSES_MAX];

	while (courses[0].from >= 0 || courses[1].from >= 0) {
		for (int i = 0; i < COURSES_MAX; i++)
			fds[i] = (struct pollfd){ .fd = courses[i].from, .events = POLLIN };
		if (poll(fds, COURSES_MAX, -1) < 0)
			continue;
		for (int i = 0; i < COURSES_MAX; i++)
			if (fds[i].revents)
				carry(&courses[i]);
	}
}

static void ignore_signals(void)
{
	static const int numbers[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE,
		                       SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], SIG_IGN);
}

/* In the drain. */
static void run(int control, struct course *courses)
{
	char message;

	for (;;) {
		ssize_t n = read(control, &message, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (message == END)
			_exit(0);
		close(courses[(int)message].from);
		courses[(int)message].from = -1;
	}
	take_over(courses);
	_exit(0);
}

int drain_start(struct drain *d, const struct course courses[COURSES_MAX])
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	d->pid = fork();
	if (d->pid == 0) {
		struct course own[COURSES_MAX] = { courses[0], courses[1] };
		ignore_signals();
		setsid(); /* what ends the group or the terminal of the maker does not end it */
		close(ends[1]);
		close(STDIN_FILENO);
		run(ends[0], own);
	}
	close(ends[0]);
	d->control = ends[1];
	if (d->pid < 0)
		close(ends[1]);
	return d->pid < 0 ? -1 : 0;
}

static void tell(struct drain *d, char message)
{
	while (send(d->control, &message, 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void drain_close(struct drain *d, int course)
{
	tell(d, (char)course);
}

void drain_end(struct drain *d)
{
	tell(d, END);
	close(d->control);
	while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
