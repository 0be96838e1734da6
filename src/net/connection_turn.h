/* The part of one connection in the end of a turn: its request is run, its answer is written. */
#ifndef JOBLIGHT_NET_CONNECTION_TURN_H
#define JOBLIGHT_NET_CONNECTION_TURN_H

#include "connection.h"

/* Hands the complete request to dispatch.run(). */
void conn_run_request(struct conn *c);
/* Writes the answer, or goes on with it.  The next request follows its end. */
void conn_flush_reply(struct conn *c);

#endif
