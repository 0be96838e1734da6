/*
 * A connection, from accept to close, and the request it is busy with.
 *
 *              headers            body complete           answer written
 *      IDLE ────────────> BODY ──────────────────> BUSY ──────────────────> IDLE …
 *       │                  │                        │ └──> STREAM (SSE)
 *       │ refused          │ too large: DRAIN       └────> SOCKET (WebSocket)
 *       └──────────────────┴──────────────────────────────> CLOSING
 *
 * While it is BUSY its input is held back, so pipelined requests are answered in their
 * order.  Requests are run and answers written at the end of a turn of the loop, outside of every lws call back:
 * libwebsockets 4.1 hangs when a pipelined request is answered inside LWS_CALLBACK_HTTP.
 *
 * lws frees its per-session memory at every transaction, so ours hangs on the wsi's opaque pointer.
 */
#ifndef JOBLIGHT_NET_CONN_H
#define JOBLIGHT_NET_CONN_H

#include <libwebsockets.h>

#include "http.h"
#include "joblight/core/hub.h"

enum conn_state { CONN_IDLE, CONN_BODY, CONN_DRAIN, CONN_BUSY, CONN_STREAM, CONN_SOCKET, CONN_CLOSING };

struct conn {
	struct loop *loop;
	struct lws *wsi;
	uint64_t id; /* unique in its loop, never used twice; other threads name it by loop and id */
	enum conn_state state;
	bool close_after;      /* the answer ends the connection */
	bool pipelined;        /* the request came behind another one, in one piece with it */
	bool wide;             /* its send buffer is large for a while */
	bool held;             /* its input is, by rx flow control */
	uint32_t reads; /* of its subscriptions, on their way to the store or back */
	struct read_request *reading; /* the question of its request, on the way to the store or back */
	struct request *request;
	struct buf reply;      /* LWS_PRE bytes, then head and body */
	struct list turn;      /* in loop->requests or loop->replies: its part in the end of this turn */
	struct list timer;     /* in the list of the deadline it has */
	uint64_t due;
	struct subscriber *subscriber; /* of a stream or a waiting poll: the beginning of its memory, which is ours */
	struct ws *ws; /* of a WebSocket */
};

/* The connection with this id, or NULL when it is gone. */
struct conn *conn_find(struct loop *l, uint64_t id);

/* Adopts an accepted socket; false: lws did not want it, and it is closed. */
bool conn_adopt(struct loop *l, int fd);

/* Closes: what is buffered goes out first. */
void conn_close(struct conn *c);
/* Closes at once. */
void conn_kill(struct conn *c);

/* The answer in c->reply is complete: it goes out at the end of this turn. */
void conn_reply_ready(struct conn *c);
void conn_flush_reply(struct conn *c);
/* The request is complete: finds its handler and calls it. */
void conn_run_request(struct conn *c);

/* The answer takes a while: a client that hangs up meanwhile is noticed. */
void conn_wait(struct conn *c, struct list *deadlines, uint64_t due);
/*
 * The request will become a stream, or be refused with the end of the connection: lws gets its header table
 * back (16 KiB), which ten thousand that wait for the store would not have.
 */
void conn_expect_stream(struct conn *c);
/* Leaves the request behind: from now on bytes are written with conn_write(). */
void conn_become_stream(struct conn *c);
/* So much is coming; later, with 0: it has gone. */
void conn_widen(struct conn *c, size_t coming);
/* The peer of this stream has hung up: see hangups.h. */
void conn_hung_up(void *loop, uint64_t id);
enum sink conn_write(struct conn *c, const char *bytes, size_t len);

/* Ends a subscription of this connection and frees what holds it. */
void conn_release(struct conn *c);

int conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);

#endif
