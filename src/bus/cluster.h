/*
 * The bus of several nodes.  The loops of this process are connected as in null.c; what they and
 * the store thread tell is also carried to the other nodes, in a thread of the bus, which never
 * holds up either of them.  What a carrier loses is repaired from the database.
 */
#ifndef JOBLIGHT_BUS_CLUSTER_H
#define JOBLIGHT_BUS_CLUSTER_H

#include "carrier.h"
#include "joblight/core/bus.h"
#include "joblight/core/metric.h"

/* As the functions of buses.h; `label` is the carrier's in the metrics. */
struct bus *cluster_start(const struct carrier_ops *carrier, enum label_BUS label,
                          const struct bus_config *config, char *error, size_t error_len);

#endif
