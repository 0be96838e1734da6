/*
 * File descriptors: how many the system gives, how many the server needs for itself, and how many
 * connections the rest allows.  Main thread, while it starts.
 */
#ifndef JOBLIGHT_SERVE_DESCRIPTORS_H
#define JOBLIGHT_SERVE_DESCRIPTORS_H

#include <stdbool.h>

#include "joblight/core/limits.h"

/* First: takes what the system gives.  False: that is too little for any server, and a line says
 * so. */
bool descriptors_take(const struct limits *limits, unsigned loops);

/*
 * When the store is open, and before the loops are: sets limits->connections and limits->streams,
 * or makes them smaller.  False: too little is left for connections, and a line says how many
 * descriptors are needed.
 */
bool descriptors_share(struct limits *limits, unsigned loops);

#endif
