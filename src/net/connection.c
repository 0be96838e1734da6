#include "connection.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "request_check.h"
#include "input.h"
#include "joblight/base/xalloc.h"
#include "loop_private.h"
#include "origin_check.h"
#include "api/router.h"
#include "socket.h"
#include "transport/poll.h"
#include "upgrade.h"
#include "transport/websocket.h"

#define RAW_PROTOCOL                                                                               \
	"joblight raw" /* the row of loop.c's protocols for connections that we read               \
	                */

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

void conn_release(struct conn *c)
{
	loop_uncount_stream(c);
	if (!c->subscriber)
		return;
	hub_detach(c->loop->hub, c->subscriber);
	free(c->subscriber);
	c->subscriber = NULL;
}

/* The connection is going; called more than once, also by the hub, so what the hub holds is freed
 * later. */
static void conn_detach(struct conn *c)
{
	c->state = CONN_CLOSING;
	loop_uncount_stream(c);
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
	reply_free(c->reply);
	c->reply = NULL;
	conn_widen(c, 0);
	buf_finish(&c->in);
}

static void conn_destroy(struct conn *c)
{
	conn_detach(c);
	conn_release(c);
	ws_free(c);
	loop_remove_conn(c->loop, c);
	if (c->wsi)
		lws_set_opaque_user_data(c->wsi, NULL);
	free(c);
}

/* A WebSocket's request that may be followed: the length of its head.  0: it is none. */
static size_t begins_with_upgrade(struct conn *c, struct slice seen)
{
	struct head head;
	struct problem p = { 0 };

	if (head_parse(seen, c->loop->limits, &head, &p) != HEAD_GOOD || !guard_is_upgrade(&head))
		return 0;
	c->request = guard_request(&head, c->loop->limits, &p);
	if (c->request && upgrade_granted(c, c->request, &p))
		return head.len;
	request_free(c->request); /* it is refused like any other request */
	c->request = NULL;
	return 0;
}

static struct lws *adopt_raw(struct loop *l, int fd)
{
	lws_sock_file_fd_type socket = { .sockfd = fd };

	return lws_adopt_descriptor_vhost(l->vhost, LWS_ADOPT_SOCKET, socket, RAW_PROTOCOL, NULL);
}

/* What was seen is read for good; it is there, so that neither less comes nor an error. */
static bool read_seen(int fd, struct slice seen)
{
	ssize_t n = recv(fd, (char *)(uintptr_t)seen.ptr, seen.len, MSG_DONTWAIT);

	if (n == (ssize_t)seen.len)
		return true;
	close(fd);
	return false;
}

/* False: the descriptor is closed, and the connection has no wsi. */
static bool begin(struct conn *c, int fd, struct slice seen)
{
	if (!read_seen(fd, seen))
		return false;
	size_t head = begins_with_upgrade(c, seen);
	if (head)
		return upgrade_begin(c, fd, (struct slice){ seen.ptr + head, seen.len - head });
	c->wsi = adopt_raw(c->loop, fd);
	if (!c->wsi)
		return false;
	lws_set_opaque_user_data(c->wsi, c);
	input_receive(c, seen);
	return true;
}

void conn_adopt(struct loop *l, int fd, struct slice seen)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	list_init(&c->turn);
	list_init(&c->timer);
	c->state = CONN_IDLE;
	c->id = loop_add_conn(l, c);
	if (!begin(c, fd, seen))
		conn_destroy(c);
}

/* lws calls back from inside the adoption: on_adopted() binds the two. */
bool conn_adopt_upgrade(struct conn *c, int fd, struct slice bytes)
{
	struct loop *l = c->loop;

	l->adopting = c;
	lws_adopt_socket_vhost_readbuf(l->vhost, fd, bytes.ptr, bytes.len);
	bool begun = !l->adopting; /* otherwise lws closed the descriptor */
	l->adopting = NULL;
	return begun;
}

static int on_adopted(struct lws *wsi)
{
	struct loop *l = lws_context_user(lws_get_context(wsi));

	if (!l->adopting)
		return 0;
	l->adopting->wsi = wsi;
	lws_set_opaque_user_data(wsi, l->adopting);
	l->adopting = NULL;
	return 0;
}

/*
 * The client will say no more, which is no reason not to answer it.  lws cannot go on with such a
 * connection, so another wsi writes what is due, on another descriptor.  False: there is nothing
 * due, or no descriptor.  A poll does not wait any longer, because a client that has gone
 * altogether looks the same.
 */
static bool outlive(struct conn *c)
{
	struct lws *old = c->wsi;

	if (c->state != CONN_BUSY || (c->subscriber && !updates_is_poll(c)) ||
	    (c->reply && reply_has_begun(c->reply)))
		return false; /* of an answer that has begun, the old one may hold some */
	int fd = fcntl(lws_get_socket_fd(old), F_DUPFD_CLOEXEC, 0);
	struct lws *wsi = fd < 0 ? NULL : adopt_raw(c->loop, fd);
	if (!wsi)
		return false;
	lws_set_opaque_user_data(old, NULL);
	lws_set_opaque_user_data(wsi, c);
	c->wsi = wsi;
	c->ended = true;
	c->held = false;
	input_hold(c);
	if (c->subscriber)
		updates_answer_now(c);
	return true;
}

/* lws would give what is buffered five seconds; a slow client gets as long as a stalled one. */
void conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return;
	bool is_socket = c->state == CONN_SOCKET;
	conn_detach(c);
	ws_hear(c);
	if (lws_partial_buffered(c->wsi)) {
		if (!is_socket)
			input_hold(c);
		lws_callback_on_writable(c->wsi);
		loop_deadline(&c->loop->closings, c,
		              loop_now(c->loop) + c->loop->limits->write_stall_ms);
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

/* The client has sent more than it will get answers for, or may have. */
static bool must_linger(const struct conn *c)
{
	if (c->state == CONN_DRAIN || !c->close_after)
		return c->state == CONN_DRAIN;
	return c->in.len || c->held || (c->request && c->request->keep_alive);
}

/* Ready for the next request on this connection. */
static void next_request(struct conn *c)
{
	conn_release(c);
	input_next(c);
}

static void finish_reply(struct conn *c)
{
	loop_no_deadline(c);
	if (c->loop->stopping)
		c->close_after = true;
	if (must_linger(c))
		input_linger(c);
	else if (c->close_after)
		conn_close(c);
	else
		next_request(c);
}

/* A client has as long as a stalled one for each piece, however many there are. */
void conn_flush_reply(struct conn *c)
{
	struct loop *l = c->loop;

	list_remove(&c->turn);
	switch (reply_write(c)) {
	case REPLY_DONE:
		finish_reply(c);
		return;
	case REPLY_MORE:
		input_hold(c);
		list_append(&l->replies, &c->turn);
		return;
	case REPLY_BLOCKED:
		if (c->state != CONN_CLOSING)
			loop_deadline(&l->closings, c, loop_now(l) + l->limits->write_stall_ms);
	}
}

/* Streams. */

void conn_wait(struct conn *c, struct list *deadlines, uint64_t due)
{
	loop_deadline(deadlines, c, due);
}

void conn_expect_stream(struct conn *c)
{
	c->close_after = true;
}

void conn_become_stream(struct conn *c)
{
	c->state = CONN_STREAM;
	loop_no_deadline(c);
	request_free(c->request);
	c->request = NULL;
	buf_finish(&c->in);
	input_hold(c); /* from now on input is a hang-up, or junk that closes */
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
		hangups_forget(&c->loop->hangups,
		               lws_get_socket_fd(c->wsi)); /* lws reads it again, to its end */
}

#define WIDE_BYTES (64 * 1024)  /* so much may come without a larger buffer */
#define FLOW_BYTES (512 * 1024) /* taken: more than the buffers of a client that does not read */

static void set_wide(struct conn *c, bool wide)
{
	atomic_size_t *all = &c->loop->family->wide;

	if (wide == c->wide)
		return;
	if (wide && atomic_fetch_add(all, SOCKET_WIDE_BYTES) + SOCKET_WIDE_BYTES >
	                c->loop->limits->wide_bytes) {
		atomic_fetch_sub(all, SOCKET_WIDE_BYTES);
		return;
	}
	if (!wide)
		atomic_fetch_sub(all, SOCKET_WIDE_BYTES);
	socket_widen(lws_get_socket_fd(c->wsi), wide);
	c->wide = wide;
}

void conn_widen(struct conn *c, size_t coming)
{
	c->may_widen = coming > WIDE_BYTES;
	c->flowed = 0;
	if (!c->may_widen)
		set_wide(c, false);
}

/* The socket took so many bytes more. */
static void note_flow(struct conn *c, size_t len)
{
	if (!c->may_widen || c->wide)
		return;
	c->flowed += (uint32_t)len;
	if (c->flowed >= FLOW_BYTES) {
		c->flowed = 0;
		set_wide(c, true);
	}
}

bool conn_takes(struct conn *c)
{
	if (socket_takes(lws_get_socket_fd(c->wsi), &c->taken))
		c->took = loop_now(c->loop);
	return loop_now(c->loop) - c->took < c->loop->limits->write_stall_ms;
}

/* From now on its time to take something runs. */
static void note_blocked(struct conn *c)
{
	socket_takes(lws_get_socket_fd(c->wsi), &c->taken);
	c->took = loop_now(c->loop);
}

enum sink conn_write(struct conn *c, const char *bytes, size_t len)
{
	/* lws writes neither in front of the bytes nor into them, so shared memory can be given. */
	int n = lws_write(c->wsi, (unsigned char *)(uintptr_t)bytes, len, LWS_WRITE_HTTP);

	if (n < 0) {
		conn_kill(c);
		return SINK_BLOCKED;
	}
	note_flow(c, len);
	if (!lws_partial_buffered(c->wsi))
		return SINK_OPEN;
	if (c->state != CONN_SOCKET)
		input_hold(c);
	note_blocked(c);
	lws_callback_on_writable(c->wsi);
	return SINK_BLOCKED;
}

/* Requests. */

void conn_run_request(struct conn *c)
{
	struct problem problem = { 0 };
	struct buf allow = { 0 }, lines = { 0 };

	list_remove(&c->turn);
	if (!origin_check(&c->loop->family->config.origin_rules, c->request, ORIGIN_REQUEST,
	                  &problem)) {
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

static int on_writable(struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return lws_partial_buffered(c->wsi) ? 0 : -1;
	if (c->state == CONN_STREAM && c->subscriber)
		hub_writable(c->loop->hub, c->subscriber);
	if (lws_partial_buffered(c->wsi))
		return 0;
	if (c->reply)
		list_move(&c->loop->replies, &c->turn);
	else if (c->state == CONN_DRAIN)
		input_linger(c);
	else if (c->state == CONN_BODY)
		input_release(c);
	return 0;
}

static int on_socket_writable(struct conn *c)
{
	if (c->state == CONN_SOCKET)
		ws_writable(c);
	return 0;
}

/* 0 lets lws go on with a handshake, of which everything has been checked. */
static int on_handshake(const struct conn *c)
{
	return c->state == CONN_UPGRADE ? 0 : -1;
}

/* Nothing that is written would reach anybody; of a client that has only said all, input alone is
 * at its end. */
static bool is_reset(int fd)
{
	struct pollfd socket = { .fd = fd };

	return poll(&socket, 1, 0) == 1 && (socket.revents & (POLLHUP | POLLERR));
}

/* The connection is closing; the rest follows with WSI_DESTROY, when the loop has turned. */
static int on_gone(struct conn *c)
{
	if (!is_reset(lws_get_socket_fd(c->wsi)) && outlive(c))
		return 0;
	if ((c->state == CONN_STREAM && c->subscriber && c->subscriber->blocked) ||
	    (c->state == CONN_SOCKET && ws_blocked(c)))
		c->loop->counters.broken++;
	conn_detach(c);
	return 0;
}

/* A Close frame was heard, or is to be sent: lws does the rest of that, and nothing of ours is
 * written any more. */
static void end_socket(struct conn *c)
{
	if (c->state != CONN_SOCKET)
		return;
	if (ws_blocked(c))
		c->loop->counters.broken++;
	conn_detach(c);
	loop_deadline(&c->loop->closings, c, loop_now(c->loop) + c->loop->limits->write_stall_ms);
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

int conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
	struct conn *c = wsi ? conn_of(wsi) : NULL;

	(void)user;
	if (!c) /* before the adoption is complete, or a wsi of lws's own */
		return reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED ? on_adopted(wsi) : 0;
	switch (reason) {
	case LWS_CALLBACK_RAW_RX:
		return input_receive(c, (struct slice){ in, len }) ? 0 : -1;
	case LWS_CALLBACK_RAW_WRITEABLE:
		return on_writable(c);
	case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return on_handshake(c);
	case LWS_CALLBACK_HTTP: /* no handshake */
		return -1;
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
	case LWS_CALLBACK_RAW_CLOSE:
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_CLOSED:
		return on_gone(c);
	case LWS_CALLBACK_WSI_DESTROY:
		conn_destroy(c);
		return 0;
	default:
		return 0;
	}
}
