/*
 * A connection, from accept to close, and the request it is busy with.
 *
 *              head                body complete           answer written
 *      IDLE ────────────> BODY ──────────────────> BUSY ──────────────────> IDLE …
 *       │ │                │                        │ └──> STREAM
 *       │ └ UPGRADE        │ refused                └────> DRAIN (the answer was the last)
 *       │     └──> SOCKET  │                                 │
 *       └─────────────┬────┴───> DRAIN ──────────────────────┴──> CLOSING
 *
 * Requests are read here (input.h), over libwebsockets' raw sockets: its parser takes what could be
 * understood in two ways, and knows no chunks.  For a request to become a WebSocket lws is given a
 * head that its transport writes (upgrade.h), and does handshake and framing.
 *
 * While it is BUSY, what arrives is kept, so pipelined requests are answered in their order.
 * Requests are run and answers written at the end of a turn of the loop, outside of every callback
 * of lws.
 *
 * Raw sockets of lws poll for input also while bytes wait to be written, without reading any: input
 * is held then, or the loop would spin.
 */
#ifndef JOBLIGHT_NET_CONNECTION_H
#define JOBLIGHT_NET_CONNECTION_H

#include <libwebsockets.h>

#include "access.h"
#include "chunked.h"
#include "request.h"
#include "joblight/core/hub.h"

enum conn_state {
	CONN_IDLE,
	CONN_BODY,
	CONN_DRAIN,
	CONN_BUSY,
	CONN_UPGRADE,
	CONN_STREAM,
	CONN_SOCKET,
	CONN_CLOSING
};

struct conn {
	struct loop *loop;
	struct lws *wsi;
	uint64_t
	    id; /* unique in its loop, never used twice; other threads name it by loop and id */
	enum conn_state state;
	bool close_after;   /* the answer ends the connection */
	enum access access; /* what its request, or its WebSocket, may do: see dispatch.admits */
	bool counted;       /* as a stream: see capacity.h */
	bool wide;          /* its send buffer is large for a while */
	bool may_widen;     /* a lot is coming */
	uint32_t flowed;    /* bytes of it that the socket took */
	bool held;          /* its input is, by rx flow control */
	uint32_t reads;     /* of its subscriptions, on their way to the store or back */
	struct read_request
	    *reading;   /* the question of its request, on the way to the store or back */
	bool ended;     /* the client has said all it will say */
	bool has_begun; /* some of the next request's head has arrived */
	struct request *request;
	struct buf in;         /* arrived and not taken yet */
	struct chunked chunks; /* of the body that is arriving */
	size_t drained;        /* read and not looked at, after a refusal */
	struct reply *reply;   /* on its way to the client, or NULL */
	struct list
	    turn; /* in one of the lists of loop->turn: what it does at the end of this turn */
	struct list timer; /* in the list of the deadline it has */
	uint64_t due;
	const struct transport *transport; /* of a stream, a WebSocket or a poll; NULL: none */
	void *session;                     /* what the transport keeps of it, or NULL */
	uint64_t taken, took; /* bytes that the peer has acknowledged, and the loop's time when that
	                         number changed */
};

/* Closes: what is buffered goes out first. */
void conn_close(struct conn *c);
/* Closes at once. */
void conn_kill(struct conn *c);

/* The answer in c->reply is complete: it begins to go out at the end of this turn. */
void conn_reply_ready(struct conn *c);
/* The request will become a stream, or be refused with the end of the connection. */
void conn_expect_stream(struct conn *c);
/* Leaves the request behind: from now on bytes are written with conn_write(). */
void conn_become_stream(struct conn *c);
enum sink conn_write(struct conn *c, const char *bytes, size_t len);
/* Ends what the transport keeps of this connection, and frees it. */
void conn_release(struct conn *c);

/* The connection is going: it leaves everything that knows it.  Called more than once, also by the
 * hub, so what the hub holds is freed later, by conn_destroy(). */
void conn_detach(struct conn *c);
void conn_destroy(struct conn *c);

#endif
