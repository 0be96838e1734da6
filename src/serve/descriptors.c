#include "descriptors.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

#define DESCRIPTORS_MIN 64       /* fewer are refused, whatever the settings */
#define DESCRIPTORS_WANTED 32768 /* unless --max-connections wants more or fewer */
#define DESCRIPTORS_PER_LOOP 12  /* its sockets, pipes and queues */
#define DESCRIPTORS_OF_STORE 16  /* about so many, while it is not open yet */
#define DESCRIPTORS_SPARE                                                                          \
	12 /* for files that are open for a moment, and connections that are told to come back */
#define CONNECTIONS_MIN 8
#define RESERVE_MIN 4
#define SCAN_MAX 4096 /* the system gives the lowest numbers first, so those in use are below */

static bool refuse(rlim_t needed, rlim_t given)
{
	fprintf(
	    stderr,
	    "joblight: %llu file descriptors are needed and the system gives %llu: see ulimit -n\n",
	    (unsigned long long)needed, (unsigned long long)given);
	return false;
}

/*
 * No more are taken than connections want: libwebsockets 4.1 walks through a table of as many
 * entries each time it closes a connection, 20 us when there may be 20,000.
 */
bool descriptors_take(const struct limits *limits, unsigned loops)
{
	rlim_t own = DESCRIPTORS_OF_STORE + DESCRIPTORS_SPARE +
	             (rlim_t)loops * DESCRIPTORS_PER_LOOP;
	rlim_t wanted = limits->connections ? limits->connections * 20 / 19 + own + 1
	                                    : DESCRIPTORS_WANTED;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return true;
	if (wanted < DESCRIPTORS_MIN)
		wanted = DESCRIPTORS_MIN;
	files.rlim_cur = wanted < files.rlim_max ? wanted : files.rlim_max;
	if (files.rlim_cur < DESCRIPTORS_MIN)
		return refuse(DESCRIPTORS_MIN, files.rlim_cur);
	setrlimit(RLIMIT_NOFILE, &files);
	return true;
}

static rlim_t count_used(rlim_t given)
{
	rlim_t used = 0;

	for (int fd = 0; fd < SCAN_MAX && (rlim_t)fd < given; fd++)
		used += fcntl(fd, F_GETFD) >= 0;
	return used;
}

/* A zero takes the share; more than the most is less. */
static void apply_share(uint64_t *limit, uint64_t share, uint64_t max)
{
	if (!*limit)
		*limit = share;
	if (*limit > max)
		*limit = max;
}

/* Connections that streams leave to requests. */
static uint64_t reserve(uint64_t connections)
{
	uint64_t share = connections / 10;

	if (share < RESERVE_MIN)
		share = RESERVE_MIN;
	return share < connections / 2 ? share : connections / 2;
}

bool descriptors_share(struct limits *limits, unsigned loops)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		files.rlim_cur = DESCRIPTORS_MIN;
	rlim_t own = count_used(files.rlim_cur) + DESCRIPTORS_SPARE +
	             (rlim_t)loops * DESCRIPTORS_PER_LOOP;
	if (files.rlim_cur < own + CONNECTIONS_MIN)
		return refuse(own + CONNECTIONS_MIN, files.rlim_cur);
	uint64_t rest = files.rlim_cur - own;
	apply_share(&limits->connections, rest * 9 / 10, rest * 19 / 20);
	apply_share(&limits->streams, limits->connections - reserve(limits->connections),
	            limits->connections);
	return true;
}
