/*
 * Which requests a server without keys accepts.  Such a server trusts every client that can reach
 * it.  A foreign web page can reach it through a user's browser: under a host name of its own that
 * resolves to this address (DNS rebinding), or by a form, a fetch or a WebSocket to the right name.
 * Workers and curl do not send the headers that browsers send, so the checks do not affect them.
 */
#ifndef JOBLIGHT_API_ORIGIN_CHECK_H
#define JOBLIGHT_API_ORIGIN_CHECK_H

#include "joblight/core/right.h"
#include "net/request.h"
#include "joblight/api/origin.h"

/*
 * Sets *rights to what the sender of this request may do.  False: *problem is 421 host_not_served,
 * and says what to change.
 */
bool origin_rights(const struct origin_rules *rules, const struct request *r, bool any_host,
                   enum right *rights, struct problem *problem);

/* Whether no page sent it, or a page of this server or of a listed origin. */
bool origin_is_trusted(const struct origin_rules *rules, const struct request *r);

/*
 * Whether the page that sent this request, if one did, may open a WebSocket: with all its rights,
 * or only to read.
 */
bool origin_may_connect(const struct origin_rules *rules, const struct request *r);

/*
 * Sets the problem 403 forbidden_origin, which says what to change.  Returns false.  `r` may be
 * NULL.
 */
bool origin_forbidden(const struct request *r, struct problem *problem);

#endif
