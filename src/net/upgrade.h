/*
 * Turns a request into a WebSocket: libwebsockets (lws) adopts the connection and does the
 * handshake.
 *
 * lws never sees the client's head, because its parser rejects some valid headers, e.g. X-Auth,
 * whose name is a prefix of one that it knows.  It parses a head that the transport writes from the
 * checked request.
 *
 * lws can only read a socket itself.  With TLS, it would find sealed bytes there, so the transport
 * does the handshake and reads the frames (upgrade_framed()).
 */
#ifndef JOBLIGHT_NET_UPGRADE_H
#define JOBLIGHT_NET_UPGRADE_H

#include "connection.h"

/*
 * Whether the request may become a WebSocket now.  True: c->transport is set.  False: *problem says
 * why.
 */
bool upgrade_granted(struct conn *c, const struct request *r, struct problem *problem);

/*
 * Takes the descriptor. c->request is the granted request, and `rest` is what arrived after its
 * head.  False: the descriptor is closed, and c->wsi is unchanged.
 */
bool upgrade_begin(struct conn *c, int fd, struct slice rest);
/*
 * Does the same for a later request of a connection.  False: no descriptor was free; refuse the
 * request.
 */
bool upgrade_later(struct conn *c, struct slice rest);
/* Does the same for a request on a connection that speaks TLS.  Returns true. */
bool upgrade_framed(struct conn *c, struct slice rest);

#endif
