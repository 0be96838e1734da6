/* The threads that serve the transports.  Both functions may be called from any loop thread.  They
 * take the object, or return false (too many are waiting) and leave it to the caller. */
#ifndef JOBLIGHT_CORE_SERVICE_H
#define JOBLIGHT_CORE_SERVICE_H

#include "joblight/core/op.h"
#include "joblight/core/query.h"

struct service {
	void *context;
	bool (*submit)(void *context, struct op *op); /* the answer comes through the bus */
	/* the answer comes through loop_deliver_read() */
	bool (*read)(void *context, struct read_request *r);
};

#endif
