/*
 * What the transports need from the threads behind them.  Both functions may be called from any
 * loop thread; they take the object, or return false (too much is waiting) and leave it to the
 * caller.
 */
#ifndef JOBLIGHT_CORE_SERVICE_H
#define JOBLIGHT_CORE_SERVICE_H

#include "joblight/core/op.h"
#include "joblight/core/query.h"

struct service {
	void *context;
	bool (*submit)(void *context, struct op *op); /* the answer comes through the bus */
	bool (*read)(void *context,
	             struct read_request *r); /* the answer comes through loop_deliver_read() */
};

#endif
