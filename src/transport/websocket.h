/*
 * WebSocket (RFC 6455): GET /api/ws, many jobs per connection, both ways.
 *
 * A subscription is a subscriber of the hub like any other; everything else a connection has to say
 * (acks, errors, pongs) goes through one outgoing buffer with the events, which is written once per
 * turn.  While the client takes nothing, or has too many updates waiting for the store, it is not
 * read from: back pressure instead of memory.
 */
#ifndef JOBLIGHT_TRANSPORT_WEBSOCKET_H
#define JOBLIGHT_TRANSPORT_WEBSOCKET_H

#include "net/connection.h"

#define WS_SUBPROTOCOL "joblight.v1" /* or none */

struct ws;

/* The request asks for an upgrade that can be followed; otherwise the problem (the answer is 4xx).
 */
bool ws_upgrade_wanted(const struct request *r, struct problem *problem);
/* The client knows the subprotocol, among others. */
bool ws_subprotocol_wanted(const struct request *r);

void ws_established(struct conn *c); /* the handshake is over; c->request is of the upgrade */
int ws_receive(struct conn *c, const char *bytes, size_t len);
void ws_pong(struct conn *c);
void ws_hear(struct conn *c); /* there is something to read, and it was not being read from */
/* lws is about to close it: gives the reason where lws would hang up without a word. */
void ws_find_reason(struct conn *c);
void ws_message_overdue(struct conn *c); /* a message was begun and is not complete in time */
/* The payload of a close frame is one that RFC 6455 section 7.4 allows. */
bool ws_close_allowed(const void *payload, size_t len);
void ws_writable(struct conn *c);
bool ws_blocked(const struct conn *c); /* the client takes nothing */
void ws_wake(
    struct conn *c); /* something that it waited for has come back: it is flushed this turn */
void ws_flush(struct conn *c);                 /* at the end of a turn */
void ws_answer(struct conn *c, struct op *op); /* takes the op */
void ws_detach(struct conn *c);    /* it is going: leaves its jobs.  Called more than once */
void ws_free_left(struct loop *l); /* subscriptions that ended; outside of all call backs */
void ws_free(struct conn *c);      /* outside of all call backs; harmless when it is none */
void ws_tick(struct conn *c, uint64_t now_ms); /* its beat is due */

/* Closes with a code, and the reason for people. */
void ws_close(struct conn *c, int code, const char *reason);
void ws_close_for_stop(struct conn *c); /* the server stops: tells when to come back, and closes */

#endif
