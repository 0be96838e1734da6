/* The options of a subscription in the URL of a stream, on SSE and WebSocket. */
#ifndef JOBLIGHT_TRANSPORT_SUBSCRIBE_OPTIONS_H
#define JOBLIGHT_TRANSPORT_SUBSCRIBE_OPTIONS_H

#include "net/request.h"
#include "joblight/core/hub.h"

/*
 * Reads types=, heartbeat= and tabs= into the same fields of `a`.  False: *problem is set, and `a`
 * must not be used.
 */
bool subscribe_options_read(const struct request *r, struct attach *a, struct problem *problem);

#endif
