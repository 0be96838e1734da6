/*
 * A connection from accept to close, with its current request.  It belongs to one loop, and is used
 * in the thread of that loop only.
 *
 *              head                body complete           answer written
 *      IDLE ────────────> BODY ──────────────────> BUSY ──────────────────> IDLE …
 *       │ │                │                        │ └──> STREAM
 *       │ └ UPGRADE        │ refused                └────> DRAIN (the answer was the last)
 *       │     └──> SOCKET  │                                 │
 *       └─────────────┬────┴───> DRAIN ──────────────────────┴──> CLOSING
 *
 * libwebsockets (lws) owns the socket as a raw one, and requests are parsed here (input.h), because
 * the parser of lws accepts ambiguous requests and does not support chunks.  For a WebSocket, lws
 * does the handshake and the framing, from a head that the transport writes (upgrade.h).
 *
 * Input that arrives in BUSY is kept, so pipelined requests are answered in order.  Requests run,
 * and answers are written, at the end of a turn of the loop, outside of all callbacks of lws.
 *
 * With TLS, lws only polls the socket and reads it; tls.h writes to it, for WebSockets, too.
 *
 * While output waits, lws keeps polling a raw socket for input, but does not read it.  The
 * connection therefore stops polling for input (conn_hold_input()); otherwise the loop would spin.
 */
#ifndef JOBLIGHT_NET_CONNECTION_H
#define JOBLIGHT_NET_CONNECTION_H

#include <libwebsockets.h>

#include "access.h"
#include "chunked.h"
#include "clients.h"
#include "request.h"
#include "shown.h"
#include "joblight/core/hub.h"
#include "joblight/net/listen.h"

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

/* What the database says of the ticket that a request shows, where several nodes use tickets. */
enum ticket_claim_state { CLAIM_UNKNOWN, CLAIM_GRANTED, CLAIM_DENIED };

struct request_record;
struct tls;

struct conn {
	struct loop *loop;
	struct lws *wsi;
	struct tls *tls;             /* NULL: it does not speak TLS */
	const struct listen *listen; /* where it was accepted */
	uint64_t id; /* unique in its loop and never reused; other threads name a connection by loop
	                and id */
	enum conn_state state;
	bool close_after; /* close after the answer */
	bool continues;   /* its stream is continued with a ticket */
	enum access_source source;
	uint8_t label;     /* of METRIC_CONNECTIONS */
	enum right rights; /* of its request or WebSocket: see dispatch.admits */
	bool counted;      /* counts as a stream: see capacity.h */
	bool wide;         /* its send buffer is enlarged for now */
	bool may_widen;    /* the buffer may be enlarged, because much output is coming */
	uint32_t flowed;   /* bytes of that output that the socket took */
	bool held;         /* does not poll for input (rx flow control) */
	uint32_t reads;    /* reads of its subscriptions that have not returned yet */
	struct read_request
	    *reading;   /* the read of its request that has not returned yet, or NULL */
	bool ended;     /* the client has ended its side */
	bool framed;    /* a WebSocket whose frames the transport reads: see upgrade.h */
	bool has_begun; /* part of the next request's head has arrived */
	struct request *request;
	struct request_record *record; /* of its request, stream or WebSocket; NULL: none */
	struct buf in;                 /* input that is not parsed yet */
	struct chunked chunks;         /* state of the body that is arriving */
	size_t drained;                /* bytes that were read and ignored after a refusal */
	struct reply *reply;           /* the answer that is being written, or NULL */
	struct list turn;              /* link in a list of loop->turn, for the end of this turn */
	struct list timer;             /* link in the list of its deadline */
	uint64_t due;
	struct credential *credential; /* that gave the rights, or NULL */
	struct shown shown;            /* what gave the credential of the last request */
	char ticket[TOKEN_ID_LEN + 1]; /* of the ticket that its request has used; "": none */
	enum ticket_claim_state claim; /* until its request has passed the gate */
	const char *fault; /* why its credential is not in force; NULL: it is, or there is none */
	struct client_address peer;    /* where the connection comes from */
	struct client_address address; /* of the client of its last request: see quota.h */
	bool is_proxy;         /* its peer is trusted to tell the clients: see client_address.h */
	bool by_proxy;         /* it comes from a trusted proxy, whichever way */
	struct client *origin; /* counts the connection, held; NULL: not limited */
	struct client *by_address;         /* limits its requests by their address, held, or NULL */
	struct client *by_key;             /* limits them by their access key, held, or NULL */
	uint32_t refusals;                 /* requests in a row that were refused */
	bool writes;                       /* its request counts as updates */
	const struct transport *transport; /* of a stream, a WebSocket or a poll, otherwise NULL */
	void *session;                     /* state of the transport, or NULL */
	uint64_t taken;                    /* bytes that the peer has acknowledged */
	uint64_t took;                     /* the loop's time when `taken` last changed */
};

/* Whether the client uses https, to this server or to a trusted proxy in front of it. */
static inline bool conn_is_https(const struct conn *c, const struct request *r)
{
	return c->tls || (c->by_proxy && request_came_by_https(r));
}

unsigned conn_peer_port(const struct conn *c); /* 0: it has none, on a Unix socket */
/* What it is from now on: a value of LABEL_TRANSPORT.  The first call adds it to the metric. */
void conn_count_as(struct conn *c, unsigned label);

/* Closes after all buffered output has been sent. */
void conn_close(struct conn *c);
/* Closes at once. */
void conn_kill(struct conn *c);

/* Call it when c->reply is complete.  Writing starts at the end of this turn. */
void conn_reply_ready(struct conn *c);
/* Call it before the request becomes a stream: any other answer then closes the connection. */
void conn_expect_stream(struct conn *c);
/* Frees the request.  From now on the transport writes with conn_write(). */
void conn_become_stream(struct conn *c);
enum sink conn_write(struct conn *c, const char *bytes, size_t len);
/* Output that conn_write() was given has not reached the socket yet. */
bool conn_is_partial(const struct conn *c);
/* Detaches and frees the session of the transport. */
void conn_release(struct conn *c);

/*
 * Removes a closing connection from all lists.  May be called more than once, also from inside the
 * hub; what the hub uses is freed later, by conn_destroy().
 */
void conn_detach(struct conn *c);
void conn_destroy(struct conn *c);

#endif
