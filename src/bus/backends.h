/* The buses that the table in buses.c has. */
#ifndef JOBLIGHT_BUS_BACKENDS_H
#define JOBLIGHT_BUS_BACKENDS_H

#include "joblight/core/bus.h"

/* The loops of one process. */
struct bus *null_start(const struct bus_config *config, char *error, size_t error_len);

#endif
