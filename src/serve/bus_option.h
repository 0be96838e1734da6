/* --bus and the settings that begin with bus-.  Their messages have no password in them. */
#ifndef JOBLIGHT_SERVE_BUS_OPTION_H
#define JOBLIGHT_SERVE_BUS_OPTION_H

#include "config.h"
#include "joblight/core/bus.h"

/*
 * Starts the bus that is configured.  `parts` has what does not come from the configuration.  NULL
 * after a message on standard error.
 */
struct bus *bus_option_start(const struct config *c, const struct bus_config *parts);

/* Whether bus_option_start() would start it. */
bool bus_option_check(const struct config *c);

#endif
