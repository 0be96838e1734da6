/* Server-sent events (WHATWG HTML section 9.2): GET /api/jobs/:job/task-events. */
#ifndef JOBLIGHT_TRANSPORT_SSE_H
#define JOBLIGHT_TRANSPORT_SSE_H

#include "net/connection.h"

/* The server stops: tells the client to come back after a time of its own, and closes. */
void stream_say_goodbye(struct conn *c);

#endif
