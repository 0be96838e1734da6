/*
 * Makes a request for handlers from a request head.  Refuses ambiguous framing, bytes that must not
 * reach a handler, and bodies that are too large or encoded: RFC 9112 sections 3 and 6.
 */
#ifndef JOBLIGHT_NET_REQUEST_CHECK_H
#define JOBLIGHT_NET_REQUEST_CHECK_H

#include "request_head.h"
#include "server_paths.h"

/*
 * Returns a new request with copies of what it needs from the head; the caller owns it.  If the
 * problem has an outcome then, the request is refused, and incomplete: see dispatch.add_lines.
 */
struct request *request_check(const struct request_head *head, const struct limits *limits,
                              struct server_paths paths, struct problem *problem);

/* Whether the request asks to become a WebSocket. */
bool request_asks_upgrade(const struct request_head *head);

#endif
