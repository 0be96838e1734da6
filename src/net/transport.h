/*
 * What a connection becomes after its request, and the functions that the loop calls for it then.
 *
 * A transport is one constant of this type: a stream that is written with conn_write()
 * (CONN_STREAM), a WebSocket (CONN_SOCKET), or a request that waits in the hub for its answer
 * (CONN_BUSY).  It sets c->transport and c->session; the connection calls back with the functions
 * below, all in the thread of its loop.  A function that is not marked "required" may be NULL.
 */
#ifndef JOBLIGHT_NET_TRANSPORT_H
#define JOBLIGHT_NET_TRANSPORT_H

#include "connection.h"

struct transport {
	/* Of every transport; required. */
	void (*detach)(struct conn *c); /* it is going and leaves the hub; called more than once */
	void (*free)(struct conn *c);   /* frees c->session; outside of the hub's callbacks */
	void (*stop)(
	    struct conn *c); /* the server stops: tells the client, when that is possible */

	/* A deadline that the transport had set with deadline_set() is over. */
	void (*expired)(struct conn *c);
	/* The client has said all that it will say, and waits for its answer.  NULL: the connection
	 * ends then. */
	void (*half_closed)(struct conn *c);

	/* Of CONN_STREAM and CONN_SOCKET; required. */
	void (*writable)(struct conn *c);      /* the socket takes bytes again */
	bool (*blocked)(const struct conn *c); /* the client takes nothing */

	/* Of CONN_SOCKET; required. */
	/* Writes the head that libwebsockets reads for this request: see upgrade.h. */
	void (*write_handshake)(const struct request *r, struct buf *head);
	void (*established)(
	    struct conn *c); /* the handshake is over; c->request is of the upgrade */
	int (*received)(struct conn *c, const char *bytes, size_t len); /* not 0: close */
	void (*pong)(struct conn *c);
	void (*flush)(struct conn *c);     /* at the end of a turn, when it is in turn.sockets */
	void (*read_back)(struct conn *c); /* a read of one of its subscriptions has come back */
	void (*answered)(struct conn *c,
	                 struct op *op); /* takes the op, which this connection sent */
	/* Input waits, or the end of it, and the connection was not being read from: it is again.
	 */
	void (*resume_input)(struct conn *c);
	bool (*close_allowed)(const void *payload,
	                      size_t len); /* the payload of a close frame is valid */
	void (*closing)(
	    struct conn *c); /* libwebsockets is about to close it: time to give the reason */
};

#endif
