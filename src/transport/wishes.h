/* What a subscriber asks for in the URL of its stream, on SSE and WebSocket alike. */
#ifndef JOBLIGHT_TRANSPORT_WISHES_H
#define JOBLIGHT_TRANSPORT_WISHES_H

#include "net/request.h"
#include "joblight/core/hub.h"

/* types=, heartbeat= and tabs= into the same fields of `a`.  False: the problem is set, and `a` is
 * not to be used. */
bool wishes_read(const struct request *r, struct attach *a, struct problem *problem);

#endif
