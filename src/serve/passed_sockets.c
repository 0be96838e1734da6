#include "passed_sockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "environment.h"
#include "joblight/base/xalloc.h"

/* How many sockets this process was given; systemd sets the variables for one process only. */
static bool take_count(uint64_t *count)
{
	uint64_t pid;

	*count = 0;
	if (!environment_number("LISTEN_PID", &pid) ||
	    (pid == (uint64_t)getpid() && !environment_number("LISTEN_FDS", count)))
		return false;
	if (*count <= SLICES_MAX)
		return true;
	fprintf(stderr, "joblight: LISTEN_FDS: at most %d sockets can be passed\n", SLICES_MAX);
	return false;
}

/* The names stay in memory, because the configuration of the listeners points to them. */
static void take_names(struct passed_sockets *p)
{
	const char *given = getenv("LISTEN_FDNAMES");

	if (!given)
		return;
	const char *at = xstrdup(given);
	for (; p->names.count < p->count; at++) {
		size_t len = strcspn(at, ":");
		p->names.items[p->names.count++] = (struct slice){ at, len };
		at += len;
		if (!*at)
			return;
	}
}

static bool is_listening(int fd)
{
	int type = 0, listens = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

static bool take_one(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (!is_listening(fd) || flags < 0) {
		fprintf(stderr,
		        "joblight: LISTEN_FDS: descriptor %d is not a listening stream socket; the "
		        "unit of systemd needs ListenStream= and Accept=no\n",
		        fd);
		return false;
	}
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return true;
}

bool passed_sockets_take(struct passed_sockets *p)
{
	uint64_t count;

	*p = (struct passed_sockets){ 0 };
	if (!take_count(&count))
		return false;
	p->count = (unsigned)count;
	take_names(p);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (unsigned i = 0; i < p->count; i++)
		if (!take_one(PASSED_FIRST + (int)i))
			return false;
	return true;
}
