/*
 * WebSocket (RFC 6455): many jobs per connection, both ways.
 *
 * A subscription is a subscriber of the hub like any other; everything else a connection has to say
 * (acks, errors, pongs) goes through one outgoing buffer with the events, which is written once per
 * turn.  While the client takes nothing, or has too many updates waiting for the store, it is not
 * read from: back pressure instead of memory.
 */
#ifndef JOBLIGHT_TRANSPORT_WEBSOCKET_H
#define JOBLIGHT_TRANSPORT_WEBSOCKET_H

#include "net/transport.h"

extern const struct transport websocket;

/* The request asks for an upgrade that can be followed; otherwise the problem (the answer is 4xx).
 */
bool ws_upgrade_wanted(const struct request *r, struct problem *problem);

/* Handles a plain GET of the WebSocket's URL, which is refused. */
void ws_not_upgraded(struct conn *c, struct request *r);

#endif
