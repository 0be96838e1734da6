/* The rows of the table in buses.c. */
#ifndef JOBLIGHT_BUS_BACKENDS_H
#define JOBLIGHT_BUS_BACKENDS_H

#include "joblight/core/bus.h"

extern const struct bus_ops bus_null;

#endif
