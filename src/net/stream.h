/* Server-sent events (WHATWG HTML section 9.2): GET /api/jobs/:job/task-events. */
#ifndef JOBLIGHT_NET_STREAM_H
#define JOBLIGHT_NET_STREAM_H

#include "conn.h"

/* The server stops: tells the client to come back after a time of its own, and closes. */
void stream_say_goodbye(struct conn *c);

#endif
