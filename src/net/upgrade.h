/*
 * From a request to a WebSocket: libwebsockets does the handshake, and is given the connection
 * for it.
 *
 * It never sees the client's head.  Its parser stops at some headers that are good, such as X-Auth,
 * whose name is the beginning of one that it knows.  It reads a head that the transport writes, of
 * what was understood.
 */
#ifndef JOBLIGHT_NET_UPGRADE_H
#define JOBLIGHT_NET_UPGRADE_H

#include "connection.h"

/* The request may become a WebSocket now: c->transport is set; otherwise the problem. */
bool upgrade_granted(struct conn *c, const struct request *r, struct problem *problem);

/*
 * Takes the descriptor; c->request is the one that was granted, and `rest` what arrived after its
 * head.  False: the descriptor is closed, and c->wsi as it was.
 */
bool upgrade_begin(struct conn *c, int fd, struct slice rest);
/* The same for a later request of its connection.  False: there is no descriptor, and the request
 * is to be refused. */
bool upgrade_later(struct conn *c, struct slice rest);

#endif
