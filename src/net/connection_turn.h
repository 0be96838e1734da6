/* What the end of a turn does for one connection: it runs its request and writes its answer. */
#ifndef JOBLIGHT_NET_CONNECTION_TURN_H
#define JOBLIGHT_NET_CONNECTION_TURN_H

#include "connection.h"

/* Passes the complete request to dispatch.run(). */
void conn_run_request(struct conn *c);
/* Writes the answer, or the next part of it.  When it is complete, the next request starts. */
void conn_flush_reply(struct conn *c);

#endif
