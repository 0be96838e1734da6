/* What happens to a connection: it is accepted, libwebsockets tells of it, its peer hangs up. */
#ifndef JOBLIGHT_NET_LWS_EVENTS_H
#define JOBLIGHT_NET_LWS_EVENTS_H

#include "connection.h"

#define LWS_RAW_PROTOCOL "joblight raw" /* of connections that we read; see lws_context.c */

/* Takes an accepted socket, on which `seen` waits to be read and begins with a good head. */
void conn_adopt(struct loop *l, int fd, struct slice seen);
/* The peer of this stream has hung up: see idle_poll.h. */
void conn_hung_up(void *loop, uint64_t id);

int conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);

#endif
