/* The kinds of bus that there are.  One more is one file and one row in src/bus/buses.c. */
#ifndef JOBLIGHT_BUS_BUSES_H
#define JOBLIGHT_BUS_BUSES_H

#include "joblight/core/bus.h"

/* Starts a bus by the name of its row: "null".  NULL: there is none of that name.  The caller ends
 * it with ops->stop(). */
struct bus *bus_start(const char *name);

#endif
