/* Server-sent events (WHATWG HTML section 9.2). */
#ifndef JOBLIGHT_TRANSPORT_SSE_H
#define JOBLIGHT_TRANSPORT_SSE_H

#include "net/connection.h"

/* Handles GET /api/jobs/:job/task-events: the connection becomes a stream. */
void sse_open(struct conn *c, struct request *r);

#endif
