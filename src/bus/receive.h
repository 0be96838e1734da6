/* What comes from the carrier.  Thread of the bus. */
#ifndef JOBLIGHT_BUS_RECEIVE_H
#define JOBLIGHT_BUS_RECEIVE_H

#include "cluster_state.h"

extern const struct carrier_events receive_events; /* their context is the struct cluster */

#endif
