/*
 * Who may ask a server that has no keys.  It trusts everybody who reaches it, and a foreign web
 * page reaches it through the browser of somebody who may: under a name of its own that leads here
 * (DNS rebinding), or by a form, a fetch or a WebSocket to the right name.  Workers and curl send
 * none of the headers that browsers send, and are not affected.
 */
#ifndef JOBLIGHT_API_ORIGIN_CHECK_H
#define JOBLIGHT_API_ORIGIN_CHECK_H

#include "net/access.h"
#include "net/request.h"
#include "joblight/api/origin.h"

/* What the sender of this request may do.  False: the problem is 421 host_not_served, and says what
 * to change. */
bool origin_access(const struct origin_rules *rules, const struct request *r, enum access *access,
                   struct problem *problem);

/* Sets the problem 403 forbidden_origin, which says what to change; returns false.  `r` may be
 * NULL.
 */
bool origin_forbidden(const struct request *r, struct problem *problem);

#endif
