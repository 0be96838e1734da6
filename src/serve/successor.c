#include "successor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "joblight/base/buf.h"
#include "joblight/base/log.h"
#include "joblight/base/xalloc.h"
#include "joblight/net/loop.h"

#define SOCKETS_MAX 1024 /* that are passed on */
#define PID_DIGITS 10
#define ADDED_MAX 4

/* What the new process begins with.  Its descriptors are numbered from PASSED_FIRST on. */
struct start {
	int fds[SOCKETS_MAX], sorted[SOCKETS_MAX];
	unsigned count;
	char **arguments, **environment;
	char *added[ADDED_MAX]; /* to the environment; owned */
	char *pid;              /* PID_DIGITS of them, to be filled in by the new process */
};

static char program[PATH_MAX];

void successor_find_program(void)
{
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	program[len > 0 ? len : 0] = '\0';
}

/* ---- descriptors ---- */

static bool add(struct start *s, int fd)
{
	if (s->count == SOCKETS_MAX)
		return false;
	s->fds[s->count++] = fd;
	return true;
}

static int compare(const void *a, const void *b)
{
	int first = *(const int *)a, second = *(const int *)b;

	return (first > second) - (first < second);
}

static void sort(struct start *s)
{
	memcpy(s->sorted, s->fds, sizeof(s->sorted));
	qsort(s->sorted, s->count, sizeof(int), compare);
}

/* A line for each address: the number of its sockets, the number of the first, and its name. */
static bool add_address(struct start *s, const struct listens *listens, const struct loops *loops,
                        unsigned index, struct buf *lines)
{
	const struct listen *l = &listens->items[index];
	char name[LISTEN_NAME_MAX];
	int fds[SOCKETS_MAX];
	unsigned count = l->kind == LISTEN_PASSED ? 0
	                                          : loops_sockets(loops, index, fds, SOCKETS_MAX);

	handover_name(l, name);
	buf_format(lines, "%u %u %s\n", count, PASSED_FIRST + s->count, name);
	for (unsigned i = 0; i < count; i++)
		if (!add(s, fds[i]))
			return false;
	return true;
}

/* Those that systemd has passed come first, as it numbers them; then the control socket. */
static bool add_all(struct start *s, int control, const struct listens *listens,
                    const struct passed_sockets *passed, const struct loops *loops,
                    struct buf *lines)
{
	bool ok = true;

	for (unsigned i = 0; ok && i < passed->count; i++)
		ok = add(s, PASSED_FIRST + (int)i);
	ok = ok && add(s, control);
	for (unsigned i = 0; ok && i < listens->count; i++)
		ok = add_address(s, listens, loops, i, lines);
	sort(s);
	return ok;
}

/* ---- arguments and environment ---- */

static bool is_replaced(const char *variable)
{
	static const char *const names[] = { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
		                             "WATCHDOG_PID", HANDOVER_VARIABLE };
	struct slice name = { variable, strcspn(variable, "=") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_is(name, names[i]))
			return true;
	return false;
}

static char *variable(const char *name, const char *value)
{
	struct buf b = { 0 };

	buf_format(&b, "%s=%s", name, value);
	buf_string(&b);
	return b.ptr;
}

static char *number_variable(const char *name, unsigned value)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%u", value);
	return variable(name, digits);
}

static char *names_variable(const struct passed_sockets *passed)
{
	struct buf names = { 0 };

	for (size_t i = 0; i < passed->names.count; i++) {
		buf_text(&names, i ? ":" : "");
		buf_slice(&names, passed->names.items[i]);
	}
	char *v = variable("LISTEN_FDNAMES", buf_string(&names));
	buf_finish(&names);
	return v;
}

static void make_added(struct start *s, const struct passed_sockets *passed)
{
	size_t at = 0;

	s->added[at++] = number_variable(HANDOVER_VARIABLE, PASSED_FIRST + passed->count);
	if (!passed->count)
		return;
	s->added[at++] = number_variable("LISTEN_FDS", passed->count);
	s->added[at++] = names_variable(passed);
	s->added[at] = variable("LISTEN_PID", "0000000000");
	s->pid = s->added[at] + strlen("LISTEN_PID=");
}

static void make_environment(struct start *s, const struct passed_sockets *passed)
{
	size_t count = 0, at = 0;

	make_added(s, passed);
	while (environ[count])
		count++;
	s->environment = xcalloc(count + ADDED_MAX + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++)
		if (!is_replaced(environ[i]))
			s->environment[at++] = environ[i];
	for (size_t i = 0; i < ADDED_MAX && s->added[i]; i++)
		s->environment[at++] = s->added[i];
}

static void make_arguments(struct start *s, const struct config *c)
{
	s->arguments = xcalloc((size_t)c->argc + 2, sizeof(char *));
	s->arguments[0] = program;
	for (int i = 0; i < c->argc; i++)
		s->arguments[i + 1] = c->argv[i];
}

/* ---- the process ---- */

/*
 * Between fork() and exec() of a process with threads only functions that are safe in a signal
 * handler may be called: signal-safety(7).
 */

/* Clients may have all the descriptors there are; the new process has none of them. */
static void close_others(const struct start *s)
{
	unsigned next = PASSED_FIRST;

	for (unsigned i = 0; i < s->count; i++) {
		unsigned kept = (unsigned)s->sorted[i];
		if (kept > next)
			close_range(next, kept - 1, 0);
		next = kept + 1;
	}
	close_range(next, ~0U, 0);
}

/* First all get numbers above those that they are to have. */
static void number_descriptors(struct start *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		int copy = fcntl(s->fds[i], F_DUPFD, PASSED_FIRST + (int)s->count);
		if (copy < 0)
			_exit(126);
		close(s->fds[i]);
		s->fds[i] = copy;
	}
	for (unsigned i = 0; i < s->count; i++)
		dup2(s->fds[i], PASSED_FIRST + (int)i);
	close_range(PASSED_FIRST + s->count, ~0U, 0);
}

static _Noreturn void become(struct start *s)
{
	pid_t pid = getpid();

	close_others(s);
	number_descriptors(s);
	for (int i = PID_DIGITS - 1; s->pid && i >= 0; i--, pid /= 10)
		s->pid[i] = (char)('0' + pid % 10);
	execve(program, s->arguments, s->environment);
	_exit(127);
}

static void finish(struct start *s)
{
	free(s->arguments);
	free(s->environment);
	for (size_t i = 0; i < ADDED_MAX; i++)
		free(s->added[i]);
	free(s);
}

static bool run(struct successor *s, struct start *start, const struct buf *lines)
{
	if (!handover_send(s->control, HANDOVER_LISTENERS, lines->ptr, lines->len, -1))
		return false;
	s->pid = fork();
	if (s->pid == 0)
		become(start);
	return s->pid > 0;
}

bool successor_start(struct successor *s, const struct config *c, const struct listens *listens,
                     const struct passed_sockets *passed, const struct loops *loops, char *error,
                     size_t error_len)
{
	struct start *start = xcalloc(1, sizeof(*start));
	struct buf lines = { 0 };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		snprintf(error, error_len, "%s", strerror(errno));
		free(start);
		return false;
	}
	*s = (struct successor){ .control = pair[0] };
	make_arguments(start, c);
	make_environment(start, passed);
	bool ok = add_all(start, pair[1], listens, passed, loops, &lines) && run(s, start, &lines);
	if (!ok) {
		snprintf(error, error_len, "%s", strerror(errno));
		close(pair[0]);
		s->pid = 0;
	}
	close(pair[1]);
	finish(start);
	buf_finish(&lines);
	return ok;
}

/* Its socket is closed a moment before it has ended. */
static bool has_ended(const struct successor *s, int *status)
{
	const struct timespec moment = { .tv_nsec = 5000000 };

	for (int i = 0; i < 10; i++) {
		if (waitpid(s->pid, status, WNOHANG) == s->pid)
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

static void kill_it(const struct successor *s)
{
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void successor_end(struct successor *s)
{
	char how[64] = "it did not serve in time, or a signal came";
	int status = 0;

	if (!has_ended(s, &status))
		kill_it(s);
	else if (WIFEXITED(status))
		snprintf(how, sizeof(how), "it ended with status %d", WEXITSTATUS(status));
	else
		snprintf(how, sizeof(how), "it was ended by signal %d", WTERMSIG(status));
	log_error("the upgrade has failed, and this process goes on", "cause", how);
	close(s->control);
	s->pid = 0;
}

bool successor_pass(void *successor, const struct passed_client *client)
{
	const struct successor *s = successor;

	return handover_send(s->control, HANDOVER_CLIENT, client, sizeof(*client) + client->len,
	                     client->fd);
}
