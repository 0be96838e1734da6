#include "descriptors.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

#define DESCRIPTORS_MIN 64         /* with fewer the server does not start */
#define DESCRIPTORS_WANTED 32768   /* unless --max-connections asks for more or fewer */
#define DESCRIPTORS_PER_LOOP 10    /* the pipes and queues of one loop */
#define DESCRIPTORS_PER_LISTENER 2 /* of each loop */
#define DESCRIPTORS_OF_STORE 16    /* estimates, used before the store is open */
#define DESCRIPTORS_PER_READER 3
#define DESCRIPTORS_SPARE                                                                          \
	12 /* for files that are open briefly, and connections that get a refusal */
#define CONNECTIONS_MIN 8
#define RESERVE_MIN 4
#define SCAN_MAX                                                                                   \
	4096 /* the system assigns the lowest free number, so descriptors in use are below this */

static bool refuse(rlim_t needed, rlim_t given)
{
	fprintf(stderr,
	        "joblight: %llu file descriptors are needed and the system gives %llu: see "
	        "ulimit -n\n",
	        (unsigned long long)needed, (unsigned long long)given);
	return false;
}

static rlim_t of_loops(unsigned loops, unsigned listeners)
{
	return (rlim_t)loops *
	       (DESCRIPTORS_PER_LOOP + (rlim_t)listeners * DESCRIPTORS_PER_LISTENER);
}

/*
 * Takes only as many as the connections need: libwebsockets 4.1 scans a table of as many entries
 * each time it closes a connection, which takes 20 us for 20,000.
 */
bool descriptors_take(const struct limits *limits, unsigned loops, unsigned readers,
                      unsigned listeners)
{
	rlim_t own = DESCRIPTORS_OF_STORE + (rlim_t)readers * DESCRIPTORS_PER_READER +
	             DESCRIPTORS_SPARE + of_loops(loops, listeners);
	rlim_t wanted = limits->connections ? limits->connections * 20 / 19 + own + 1
	                                    : DESCRIPTORS_WANTED;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return true;
	if (wanted < own + CONNECTIONS_MIN)
		wanted = own + CONNECTIONS_MIN;
	if (wanted < DESCRIPTORS_MIN)
		wanted = DESCRIPTORS_MIN;
	files.rlim_cur = wanted < files.rlim_max ? wanted : files.rlim_max;
	rlim_t needed = own + CONNECTIONS_MIN > DESCRIPTORS_MIN ? own + CONNECTIONS_MIN
	                                                        : DESCRIPTORS_MIN;
	if (files.rlim_cur < needed)
		return refuse(needed, files.rlim_cur);
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

/* Replaces 0 by the share, and lowers a limit above `max`. */
static void apply_share(uint64_t *limit, uint64_t share, uint64_t max)
{
	if (!*limit)
		*limit = share;
	if (*limit > max)
		*limit = max;
}

/* Connections that streams leave for requests. */
static uint64_t reserve(uint64_t connections)
{
	uint64_t share = connections / 10;

	if (share < RESERVE_MIN)
		share = RESERVE_MIN;
	return share < connections / 2 ? share : connections / 2;
}

bool descriptors_share(struct limits *limits, unsigned loops, unsigned listeners)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		files.rlim_cur = DESCRIPTORS_MIN;
	rlim_t own = count_used(files.rlim_cur) + DESCRIPTORS_SPARE + of_loops(loops, listeners);
	if (files.rlim_cur < own + CONNECTIONS_MIN)
		return refuse(own + CONNECTIONS_MIN, files.rlim_cur);
	uint64_t rest = files.rlim_cur - own;
	apply_share(&limits->connections, rest * 9 / 10, rest * 19 / 20);
	apply_share(&limits->streams, limits->connections - reserve(limits->connections),
	            limits->connections);
	return true;
}
