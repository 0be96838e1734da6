/*
 * The listening sockets that systemd passes: sd_listen_fds(3).  LISTEN_PID is this process,
 * LISTEN_FDS their number; they are the descriptors from 3 on.  LISTEN_FDNAMES may name them,
 * separated by colons.
 */
#ifndef JOBLIGHT_SERVE_PASSED_SOCKETS_H
#define JOBLIGHT_SERVE_PASSED_SOCKETS_H

#include <stdbool.h>

#include "joblight/base/slice.h"

#define PASSED_FIRST 3

struct passed_sockets {
	unsigned count; /* descriptors from PASSED_FIRST on */
	struct slices names;
};

/*
 * Takes them: children will not inherit them, and the variables are removed from the environment.
 * False: one is not a listening stream socket; a message on stderr says so.
 */
bool passed_sockets_take(struct passed_sockets *p);

#endif
