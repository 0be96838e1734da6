/* The kinds of bus that there are.  One more is a row in src/bus/buses.c. */
#ifndef JOBLIGHT_BUS_BUSES_H
#define JOBLIGHT_BUS_BUSES_H

#include "joblight/core/bus.h"

/*
 * Starts the bus that the location needs: without one that of one process, otherwise the one of its
 * name or scheme.  Nothing is connected before ops->begin().  The caller ends it with ops->stop().
 * NULL with a message that says what to change.
 */
struct bus *bus_start(const struct bus_config *config, char *error, size_t error_len);

#endif
