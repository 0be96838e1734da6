/* The events of a connection: accepted, callbacks of libwebsockets, hung up. */
#ifndef JOBLIGHT_NET_LWS_EVENTS_H
#define JOBLIGHT_NET_LWS_EVENTS_H

#include "admission.h"
#include "connection.h"

#define LWS_RAW_PROTOCOL "joblight raw" /* for connections that we parse; see lws_context.c */

/* Takes a connection that may enter, and its origin; `seen` begins with a good head. */
void conn_adopt(struct loop *l, const struct arrival *arrival, struct slice seen);
/* The peer of this stream has hung up: see idle_poll.h. */
void conn_hung_up(void *loop, uint64_t id);

int conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);

#endif
