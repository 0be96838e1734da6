/* `joblight serve`: connects the parts of the server. */
#ifndef JOBLIGHT_SERVE_SERVER_H
#define JOBLIGHT_SERVE_SERVER_H

#include "config.h"

/* Runs until SIGTERM or SIGINT.  Returns the exit status. */
int server_run(const struct config *config);

#endif
