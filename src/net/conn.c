#include "conn.h"

#include <stdio.h>
#include <stdlib.h>

#include "guard.h"
#include "joblight/base/xalloc.h"
#include "loop_private.h"
#include "origin_check.h"
#include "router.h"
#include "socket.h"
#include "ws.h"

#define DRAIN_BYTES (8 * 1024 * 1024) /* of a refused body, so that the answer is not lost in a reset */

struct conn *conn_find(struct loop *l, uint64_t id)
{
	uint32_t index = (uint32_t)id;

	if (index >= l->slot_count || l->slots[index].generation != (uint32_t)(id >> 32))
		return NULL;
	return l->slots[index].conn;
}

static struct conn *conn_of(struct lws *wsi)
{
	return lws_get_opaque_user_data(wsi);
}

/* Life. */

bool conn_adopt(struct loop *l, int fd)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	list_init(&c->turn);
	list_init(&c->timer);
	c->wsi = lws_adopt_socket_vhost(l->vhost, fd);
	if (!c->wsi) { /* lws closed the descriptor */
		free(c);
		return false;
	}
	lws_set_opaque_user_data(c->wsi, c);
	c->id = loop_add_conn(l, c);
	return true;
}

void conn_release(struct conn *c)
{
	if (!c->subscriber)
		return;
	hub_detach(c->loop->hub, c->subscriber);
	free(c->subscriber);
	c->subscriber = NULL;
}

/* The connection is going; called more than once, also by the hub, so what the hub holds is freed later. */
static void conn_detach(struct conn *c)
{
	c->state = CONN_CLOSING;
	if (c->subscriber)
		hub_detach(c->loop->hub, c->subscriber);
	if (c->reading)
		atomic_store(&c->reading->gone, true);
	c->reading = NULL;
	ws_detach(c);
	list_remove(&c->turn);
	loop_no_deadline(c);
	request_free(c->request);
	c->request = NULL;
	buf_finish(&c->reply);
}

static void conn_destroy(struct lws *wsi, struct conn *c)
{
	conn_detach(c);
	conn_release(c);
	ws_free(c);
	loop_remove_conn(c->loop, c);
	lws_set_opaque_user_data(wsi, NULL);
	free(c);
}

/* Changing what poll looks for costs system calls, so input is held back only where it must be. */
static void hold_input(struct conn *c)
{
	if (!c->held)
		lws_rx_flow_control(c->wsi, 0);
	c->held = true;
}

static void release_input(struct conn *c)
{
	if (c->held)
		lws_rx_flow_control(c->wsi, 1);
	c->held = false;
}

/* lws would give what is buffered five seconds; a slow client gets as long as a stalled one. */
void conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return;
	conn_detach(c);
	release_input(c); /* held back input holds back writing too */
	ws_hear(c);
	if (lws_partial_buffered(c->wsi)) {
		lws_callback_on_writable(c->wsi);
		loop_deadline(&c->loop->closings, c, loop_now(c->loop) + c->loop->limits->stall_ms);
		return;
	}
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_KEEPALIVE_IDLE, LWS_TO_KILL_ASYNC);
	c->loop->kick = true;
}

void conn_kill(struct conn *c)
{
	conn_detach(c);
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	c->loop->kick = true;
}

/* Answers. */

void conn_reply_ready(struct conn *c)
{
	loop_no_deadline(c);
	list_move(&c->loop->replies, &c->turn);
}

/*
 * lws reads on when it has seen the socket writable, and it is: the answer went out whole.  Saying so here
 * saves a turn of the loop, and the system calls of looking for it.  Not with bytes of the next request in hand,
 * which it would forget about.  The connection may be gone afterwards.
 */
static void tell_writable(struct conn *c)
{
	struct lws_pollfd writable = { .fd = lws_get_socket_fd(c->wsi), .events = POLLOUT, .revents = POLLOUT };

	lws_service_fd(c->loop->lws, &writable);
}

/* Ready for the next request on this connection. */
static void next_request(struct conn *c)
{
	c->state = CONN_IDLE;
	conn_release(c);
	request_free(c->request);
	c->request = NULL;
	release_input(c);
	c->pipelined = lws_service_adjust_timeout(c->loop->lws, 1, 0) == 0; /* lws holds bytes that nobody read yet */
	if (lws_http_transaction_completed(c->wsi)) {
		conn_close(c);
		return;
	}
	lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0); /* ours is cheaper */
	loop_deadline(&c->loop->idles, c, loop_now(c->loop) + c->loop->limits->keepalive_ms);
	if (!c->pipelined)
		tell_writable(c);
}

static bool write_reply(struct conn *c)
{
	size_t len = c->reply.len - LWS_PRE;
	int n = lws_write(c->wsi, (unsigned char *)c->reply.ptr + LWS_PRE, len, LWS_WRITE_HTTP_FINAL);

	buf_finish(&c->reply);
	return n >= 0;
}

void conn_flush_reply(struct conn *c)
{
	list_remove(&c->turn);
	if (!write_reply(c))
		conn_kill(c);
	else if (c->state == CONN_DRAIN)
		loop_deadline(&c->loop->bodies, c, loop_now(c->loop) + c->loop->limits->body_timeout_ms);
	else if (c->close_after || lws_partial_buffered(c->wsi)) /* lws cannot hold back input and go on writing */
		conn_close(c);
	else
		next_request(c);
}

/* Streams. */

void conn_wait(struct conn *c, struct list *deadlines, uint64_t due)
{
	release_input(c);
	loop_deadline(deadlines, c, due);
}

void conn_expect_stream(struct conn *c)
{
	c->close_after = true;
	lws_http_headers_detach(c->wsi);
}

void conn_become_stream(struct conn *c)
{
	c->state = CONN_STREAM;
	loop_no_deadline(c);
	request_free(c->request);
	c->request = NULL;
	lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
	hold_input(c); /* from now on input is a hang-up, or junk that closes */
	hangups_watch(&c->loop->hangups, lws_get_socket_fd(c->wsi), c->id);
}

void conn_hung_up(void *context, uint64_t id)
{
	struct conn *c = conn_find(context, id);

	if (!c)
		return;
	if (c->state == CONN_STREAM)
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
	else if (c->state == CONN_SOCKET)
		ws_hear(c);
	else
		hangups_forget(&c->loop->hangups, lws_get_socket_fd(c->wsi)); /* lws reads it again, to its end */
}

enum sink conn_write(struct conn *c, const char *bytes, size_t len)
{
	/* HTTP/1 writes neither in front of the bytes nor into them, so shared memory can be given. */
	int n = lws_write(c->wsi, (unsigned char *)(uintptr_t)bytes, len, LWS_WRITE_HTTP);

	if (n < 0) {
		conn_kill(c);
		return SINK_BLOCKED;
	}
	if (!lws_partial_buffered(c->wsi))
		return SINK_OPEN;
	release_input(c); /* lws does not tell that a connection is writable while its input is held back */
	lws_callback_on_writable(c->wsi);
	return SINK_BLOCKED;
}

#define WIDE_BYTES (64 * 1024)

void conn_widen(struct conn *c, size_t coming)
{
	bool wide = coming > WIDE_BYTES;

	if (wide != c->wide)
		socket_widen(lws_get_socket_fd(c->wsi), wide);
	c->wide = wide;
}

/* Requests. */

static void refuse(struct conn *c, const struct problem *p, const char *headers)
{
	c->close_after = true;
	reply_problem(c, p, headers);
}

/* Answers at once and closes: used where the rest of the input cannot be trusted. */
static int refuse_now(struct conn *c, const struct problem *p, const char *headers)
{
	refuse(c, p, headers);
	list_remove(&c->turn);
	write_reply(c);
	conn_detach(c);
	return -1;
}

/* The body comes anyway: it is read and thrown away, or the answer would be lost in a reset. */
static int refuse_large(struct conn *c, const struct problem *p)
{
	refuse(c, p, "");
	c->state = CONN_DRAIN;
	return 0;
}

/*
 * A body that came in one piece with the request before it would hang libwebsockets 4.1 for good, so the
 * connection ends in front of it; the client sees that its request was not answered, and repeats it.
 */
static int begin_body(struct conn *c, struct request *r)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	unsigned char room[LWS_PRE + sizeof(go_on)];

	if (c->pipelined) {
		conn_detach(c);
		return -1;
	}
	c->state = CONN_BODY;
	buf_reserve(&r->body, (size_t)r->length);
	loop_deadline(&c->loop->bodies, c, loop_now(c->loop) + c->loop->limits->body_timeout_ms);
	if (!guard_expects_continue(c->wsi))
		return 0;
	memcpy(room + LWS_PRE, go_on, sizeof(go_on) - 1);
	return lws_write(c->wsi, room + LWS_PRE, sizeof(go_on) - 1, LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

static bool is_from_here(struct conn *c, const struct request *r, enum origin_use use,
                         struct problem *p)
{
	return origin_check(&c->loop->family->config.origin_rules, r, use, p);
}

void conn_run_request(struct conn *c)
{
	struct problem problem = { 0 };
	struct buf allow = { 0 }, lines = { 0 };

	list_remove(&c->turn);
	if (!is_from_here(c, c->request, ORIGIN_REQUEST, &problem)) {
		reply_problem(c, &problem, "");
	} else if (router_find(c->request, &allow, &problem)) {
		router_dispatch(c, c->request);
	} else {
		if (allow.len)
			buf_format(&lines, "Allow: %s\r\n", buf_string(&allow));
		reply_problem(c, &problem, buf_string(&lines));
	}
	buf_finish(&allow);
	buf_finish(&lines);
	problem_finish(&problem);
}

static int complete_request(struct conn *c)
{
	c->state = CONN_BUSY;
	loop_no_deadline(c);
	list_move(&c->loop->requests, &c->turn);
	loop_hurry(c->loop);
	return 0;
}

/* Without a body, lws would go on and read the next request over this one. */
static int complete_bare_request(struct conn *c)
{
	hold_input(c);
	return complete_request(c);
}

static int begin_request(struct conn *c)
{
	struct problem problem = { 0 };

	loop_no_deadline(c);
	lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
	c->close_after = false;
	uint64_t length = 0;
	c->request = guard_request(c->wsi, c->loop->limits, &length, &problem);
	if (c->request)
		return length ? begin_body(c, c->request) : complete_bare_request(c);
	if (problem.outcome == OUTCOME_BODY_TOO_LARGE && length <= DRAIN_BYTES)
		return refuse_large(c, &problem);
	return refuse_now(c, &problem, "");
}

static int on_request(struct conn *c)
{
	if (c->state != CONN_IDLE)
		return -1; /* bytes on a stream that happen to be a request */
	return begin_request(c);
}

static int on_body(struct conn *c, const void *bytes, size_t len)
{
	struct request *r = c->request;

	if (c->state == CONN_DRAIN || !len)
		return 0;
	if (c->state != CONN_BODY || r->body.len + len > r->length)
		return -1;
	buf_add(&r->body, bytes, len);
	return 0;
}

static int on_body_complete(struct conn *c)
{
	if (c->state == CONN_DRAIN) {
		c->state = CONN_BUSY;
		return list_empty(&c->turn) ? -1 : 0; /* the refusal is on its way, and closes */
	}
	if (c->state == CONN_BUSY) {
		/* Pipelined bytes, which lws leaves where they are and asks again; or a POST with
		 * Content-Length: 0, which was completed with its headers. */
		hold_input(c);
		return 0;
	}
	if (c->state != CONN_BODY || c->request->body.len != c->request->length)
		return -1;
	return complete_request(c);
}

static int on_writable(struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return lws_partial_buffered(c->wsi) ? 0 : -1;
	if (c->state == CONN_STREAM && c->subscriber)
		hub_writable(c->loop->hub, c->subscriber);
	if (c->state == CONN_STREAM && !lws_partial_buffered(c->wsi))
		hold_input(c);
	return 0;
}

static int on_socket_writable(struct conn *c)
{
	if (c->state == CONN_SOCKET)
		ws_writable(c);
	return 0;
}

static bool is_websocket_path(const struct request *r)
{
	return slice_is(r->path, "/api/ws");
}

/* 0 lets lws go on with the handshake. */
static int upgrade_to_websocket(struct conn *c, struct lws *wsi)
{
	struct problem p = { 0 };
	uint64_t length;
	struct request *r = guard_request(wsi, c->loop->limits, &length, &p);

	c->request = r;
	if (!r)
		return refuse_now(c, &p, "");
	if (!is_from_here(c, r, ORIGIN_WEBSOCKET, &p))
		return refuse_now(c, &p, "");
	if (!is_websocket_path(r))
		problem_set(&p, OUTCOME_NOT_FOUND, "the WebSocket is at /api/ws");
	else if (ws_upgrade_wanted(wsi, r, &p) && loop_takes_streams(c->loop, &p))
		return 0;
	return refuse_now(
	    c, &p, p.outcome == OUTCOME_UPGRADE_REQUIRED ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" : "");
}

static int on_upgrade(struct conn *c, struct lws *wsi, char *protocol)
{
	char wanted[16] = "";

	if (c->state != CONN_IDLE || !lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE))
		return -1; /* without the header `protocol` dangles: CVE-2025-11677 */
	lws_hdr_copy(wsi, wanted, sizeof(wanted), WSI_TOKEN_UPGRADE);
	if (strcasecmp(wanted, "websocket") == 0)
		return upgrade_to_websocket(c, wsi);
	if (strcasecmp(wanted, "h2c") != 0)
		return -1;
	protocol[0] = 'x'; /* no name that lws knows: it stays HTTP/1.1 */
	return 0;
}

/*
 * The connection is closing; the rest follows with WSI_DESTROY, when the loop has turned.  lws took a header
 * table (16 KiB) for the request that it expected instead of the hang-up, and walks the list of all of them at
 * each close: ten thousand that hang up at once would wait for each other.
 */
static int on_gone(struct conn *c)
{
	lws_http_headers_detach(c->wsi);
	if ((c->state == CONN_STREAM && c->subscriber && c->subscriber->blocked) ||
	    (c->state == CONN_SOCKET && ws_blocked(c)))
		c->loop->counters.broken++;
	conn_detach(c);
	return 0;
}

/* A Close frame was heard, or is to be sent: lws does the rest of that, and nothing of ours is written any more. */
static void end_socket(struct conn *c)
{
	if (c->state != CONN_SOCKET)
		return;
	if (ws_blocked(c))
		c->loop->counters.broken++;
	conn_detach(c);
	loop_deadline(&c->loop->closings, c, loop_now(c->loop) + c->loop->limits->stall_ms);
}

static int on_peer_closes(struct conn *c, const void *payload, size_t len)
{
	end_socket(c);
	return ws_close_allowed(payload, len) ? 0 : -1;
}

/* lws closes a WebSocket, for a reason of its own or of ours. */
static int on_socket_closes(struct conn *c)
{
	if (c->state == CONN_SOCKET)
		ws_find_reason(c);
	end_socket(c);
	return 0;
}

int conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct conn *c = wsi ? conn_of(wsi) : NULL;

	(void)user;
	if (!c) /* before the adoption is complete, or a wsi of lws's own */
		return reason == LWS_CALLBACK_RAW_ADOPT || reason == LWS_CALLBACK_RAW_RX ? -1 : 0;
	switch (reason) {
	case LWS_CALLBACK_RAW_ADOPT: /* CONNECT became a raw connection */
	case LWS_CALLBACK_RAW_RX:
		return -1;
	case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
		return c->state != CONN_IDLE;
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return on_upgrade(c, wsi, in);
	case LWS_CALLBACK_HTTP:
		return on_request(c);
	case LWS_CALLBACK_HTTP_BODY:
		return on_body(c, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return on_body_complete(c);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return on_writable(c);
	case LWS_CALLBACK_ESTABLISHED:
		ws_established(c);
		return 0;
	case LWS_CALLBACK_RECEIVE:
		return ws_receive(c, in, len);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return on_peer_closes(c, in, len);
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
		return on_socket_closes(c);
	case LWS_CALLBACK_RECEIVE_PONG:
		ws_pong(c);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return on_socket_writable(c);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_CLOSED:
		return on_gone(c);
	case LWS_CALLBACK_WSI_DESTROY:
		conn_destroy(wsi, c);
		return 0;
	default:
		return 0;
	}
}
