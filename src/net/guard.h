/*
 * What libwebsockets lets through and this server does not: framing that could be read in two ways,
 * bytes that must not reach a handler, sizes over the limits.  RFC 9112 sections 3, 5 and 6.  Holds for every
 * request; the first one of a connection was also seen by head.h.
 */
#ifndef JOBLIGHT_NET_GUARD_H
#define JOBLIGHT_NET_GUARD_H

#include <libwebsockets.h>

#include "http.h"
#include "joblight/core/limits.h"

/*
 * Reads the parsed headers of `wsi` into a fresh request; NULL when refused (the problem says why).
 * *length is what Content-Length announced, as far as it could be read.
 */
struct request *guard_request(struct lws *wsi, const struct limits *limits, uint64_t *length, struct problem *problem);

/* True when the client waits for "100 Continue" before it sends its body. */
bool guard_expects_continue(struct lws *wsi);

#endif
