/*
 * The process that takes the place of this one: the program at the path of this one, which may be a
 * newer one by now, with the same arguments and environment.  It inherits the listening sockets, so
 * nobody else can have them.  Main thread only, except successor_pass().
 */
#ifndef JOBLIGHT_SERVE_SUCCESSOR_H
#define JOBLIGHT_SERVE_SUCCESSOR_H

#include <sys/types.h>

#include "config.h"
#include "handover.h"
#include "listen_option.h"

struct loops;

struct successor {
	pid_t pid; /* 0: there is none */
	int control;
};

/* Finds out where the program lies, before it is replaced. */
void successor_find_program(void);

/* Starts it.  False: `error` says why there is none. */
bool successor_start(struct successor *s, const struct config *c, const struct listens *listens,
                     const struct passed_sockets *passed, const struct loops *loops, char *error,
                     size_t error_len);
/* Ends it, waits until it has ended, and logs how. */
void successor_end(struct successor *s);
/* A pass_client of joblight/net/passed_client.h. */
bool successor_pass(void *successor, const struct passed_client *client);

#endif
