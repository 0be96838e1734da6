/*
 * WebSocket (RFC 6455): many jobs on one connection, in both directions.
 *
 * Each subscription is a subscriber of the hub.  All other output (acks, errors, pongs) shares a
 * buffer with the events, which is written once per turn.  A client that takes nothing, or has too
 * many operations waiting for the store, is not read.  Runs in the thread of the loop.
 */
#ifndef JOBLIGHT_TRANSPORT_WEBSOCKET_H
#define JOBLIGHT_TRANSPORT_WEBSOCKET_H

#include "net/transport.h"

extern const struct transport websocket;

/* Whether the request asks for a valid upgrade.  False: *problem is set (a 4xx). */
bool ws_upgrade_wanted(const struct request *r, struct problem *problem);

/* Handles a plain GET of the WebSocket's URL, which is refused. */
void ws_not_upgraded(struct conn *c, struct request *r);

#endif
