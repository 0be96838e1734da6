/* A Redis for the tests: on a port and with a folder of its own, and nothing is kept on a disk. */
#ifndef JOBLIGHT_TESTS_REDIS_SERVER_H
#define JOBLIGHT_TESTS_REDIS_SERVER_H

#include <sys/types.h>

struct redis_server {
	int port;
	pid_t pid; /* 0: it does not run */
	char folder[32];
	char url[64];
};

/* Waits until it takes commands.  `port` 0: a free one. */
void redis_server_start(struct redis_server *r, int port);
/* Ends it, and waits until it has ended. */
void redis_server_kill(struct redis_server *r);
void redis_server_finish(struct redis_server *r);

/* Runs a command, whose words have no spaces, on a new connection.  Returns the first line of the
 * reply, which is valid until the next call. */
const char *redis_server_say(const struct redis_server *r, const char *command);

#endif
