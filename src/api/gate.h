/*
 * Access control for routes and WebSocket messages.  The access of a client is determined for each
 * request and kept in its connection; the rows of routes.def and messages.def name what they need.
 * Runs in the thread of the connection's loop.
 */
#ifndef JOBLIGHT_API_GATE_H
#define JOBLIGHT_API_GATE_H

#include "net/connection.h"

/*
 * Sets c->access for this request, and for the WebSocket that it may become.  False: *problem is
 * set.
 */
bool gate_enter(struct conn *c, const struct request *r, struct problem *problem);
/* Whether the connection has the access `need`.  False: *problem is set. */
bool gate_admits(const struct conn *c, enum access need, struct problem *problem);

#endif
