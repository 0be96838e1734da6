/*
 * File descriptors: how many the system provides, how many the server needs for itself, and how
 * many connections the rest allows.  Main thread, during the start.
 */
#ifndef JOBLIGHT_SERVE_DESCRIPTORS_H
#define JOBLIGHT_SERVE_DESCRIPTORS_H

#include <stdbool.h>

#include "joblight/core/limits.h"

/*
 * Call this first: it raises the limit of the process.  False, after printing a message: there are
 * too few for any server.
 */
bool descriptors_take(const struct limits *limits, unsigned loops, unsigned readers,
                      unsigned listeners);

/*
 * Call this after the store was opened and before the loops are: it sets limits->connections and
 * limits->streams, or lowers them.  False, after printing how many descriptors are needed: too few
 * are left for connections.
 */
bool descriptors_share(struct limits *limits, unsigned loops, unsigned listeners);

#endif
