/*
 * A transport: what a connection becomes after its request, as functions that the loop calls.
 *
 * Each transport is one constant of this type: a stream that is written with conn_write()
 * (CONN_STREAM), a WebSocket (CONN_SOCKET), or a request that waits in the hub for its answer
 * (CONN_BUSY).  It sets c->transport and c->session.  All functions are called in the thread of the
 * connection's loop.  One that is not marked "required" may be NULL.
 */
#ifndef JOBLIGHT_NET_TRANSPORT_H
#define JOBLIGHT_NET_TRANSPORT_H

#include "connection.h"

struct transport {
	/* All transports; required. */
	void (*detach)(struct conn *c); /* leaves the hub; called more than once */
	void (*free)(struct conn *c);   /* frees c->session; outside of callbacks of the hub */
	void (*stop)(struct conn *c);   /* the server stops: tell the client, if possible */

	/* The credential is not in force any more: ends it.  NULL: the connection is closed. */
	void (*expelled)(struct conn *c);

	/* A deadline that the transport set with deadline_set() has expired. */
	void (*expired)(struct conn *c);
	/* Of a request whose body is streamed; required: c->request->body has the next piece. */
	void (*piece)(struct conn *c);
	/*
	 * The client has ended its side and waits for its answer.  NULL: the connection is closed
	 * then.
	 */
	void (*half_closed)(struct conn *c);

	/* CONN_STREAM and CONN_SOCKET; required. */
	void (*writable)(struct conn *c);      /* the socket takes bytes again */
	bool (*blocked)(const struct conn *c); /* the client takes nothing at present */

	/* CONN_SOCKET; required. */
	/* Writes the head that libwebsockets parses for this request: see upgrade.h. */
	void (*write_handshake)(const struct request *r, struct buf *head);
	/* Where the transport reads the frames itself (c->framed): the answer to the handshake. */
	void (*write_acceptance)(const struct request *r, struct buf *answer);
	/* Takes bytes of frames.  False: close the connection. */
	bool (*take)(struct conn *c, struct slice bytes);
	void (*established)(
	    struct conn *c); /* the handshake is complete; c->request is the upgrade request */
	int (*received)(struct conn *c, const char *bytes,
	                size_t len); /* returns nonzero to close */
	void (*pong)(struct conn *c);
	void (*flush)(
	    struct conn *c); /* at the end of a turn, if the connection is in turn.sockets */
	void (*read_back)(struct conn *c); /* a read of one of its subscriptions has returned */
	void (*answered)(struct conn *c,
	                 struct op *op); /* takes `op`, which this connection sent */
	/* Input, or the end of it, has arrived while input was held.  Resumes reading. */
	void (*resume_input)(struct conn *c);
	bool (*close_allowed)(const void *payload,
	                      size_t len); /* whether the payload of a close frame is valid */
	void (*closing)(struct conn *c);   /* libwebsockets is about to close it; the transport can
	                                      set the reason */
};

#endif
