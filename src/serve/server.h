/* `joblight serve`: the wiring. */
#ifndef JOBLIGHT_SERVE_SERVER_H
#define JOBLIGHT_SERVE_SERVER_H

#include "config.h"

/* Runs until SIGTERM or SIGINT.  The exit status. */
int server_run(const struct config *config);

#endif
