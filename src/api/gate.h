/*
 * The one gate of routes and WebSocket messages: what a client may is found out for each request,
 * and kept in its connection; what a row of routes.def or messages.def needs is compared with it.
 */
#ifndef JOBLIGHT_API_GATE_H
#define JOBLIGHT_API_GATE_H

#include "net/connection.h"

/* Sets c->access for this request, and for the WebSocket that it may become.  False: the problem.
 */
bool gate_enter(struct conn *c, const struct request *r, struct problem *problem);
/* False: the connection may not do what needs this; the problem is set. */
bool gate_admits(const struct conn *c, enum access need, struct problem *problem);

#endif
