#include "lws_events.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection_flow.h"
#include "connection_input.h"
#include "deadlines.h"
#include "dispatch.h"
#include "input.h"
#include "joblight/base/xalloc.h"
#include "loop_private.h"
#include "quota.h"
#include "reply_parts.h"
#include "request_check.h"
#include "tls.h"
#include "upgrade.h"

static struct conn *conn_of(struct lws *wsi)
{
	return lws_get_opaque_user_data(wsi);
}

/*
 * Returns the length of the head if it is a WebSocket request that was granted, or that waits,
 * otherwise 0.  When it was refused, *problem is set.
 */
static size_t begins_with_upgrade(struct conn *c, struct slice seen, bool *waits,
                                  struct problem *problem)
{
	struct request_head head;

	if (request_head_parse(seen, c->loop->limits, &head, problem) != HEAD_GOOD ||
	    !request_asks_upgrade(&head))
		return 0;
	input_check(c, &head, problem);
	if (problem->outcome)
		return 0;
	*waits = c->loop->dispatch->upgrade_waits(c, c->request);
	return *waits || upgrade_granted(c, c->request, problem) ? head.len : 0;
}

static struct lws *adopt_raw(struct loop *l, int fd)
{
	lws_sock_file_fd_type socket = { .sockfd = fd };

	return lws_adopt_descriptor_vhost(l->vhost, LWS_ADOPT_SOCKET, socket, LWS_RAW_PROTOCOL,
	                                  NULL);
}

/*
 * Reads the bytes that were looked at before.  They are there, so the read is complete and cannot
 * fail.
 */
static bool read_seen(int fd, struct slice seen)
{
	ssize_t n = recv(fd, (char *)(uintptr_t)seen.ptr, seen.len, MSG_DONTWAIT);

	if (n == (ssize_t)seen.len)
		return true;
	close(fd);
	return false;
}

/* False: the descriptor is closed, and the connection has no wsi. */
static bool begin(struct conn *c, const struct arrival *arrival, struct slice seen)
{
	int fd = arrival->fd;

	if (!arrival->consumed && !read_seen(fd, seen))
		return false;
	struct problem problem = { 0 };
	bool waits = false;
	size_t head = c->tls ? 0 : begins_with_upgrade(c, seen, &waits, &problem);
	struct slice rest = { seen.ptr + head, seen.len - head };
	if (head && !waits)
		return upgrade_begin(c, fd, rest);
	c->wsi = adopt_raw(c->loop, fd);
	if (!c->wsi)
		return false;
	lws_set_opaque_user_data(c->wsi, c);
	if (outcome_is_error(problem.outcome)) {
		input_refuse(c, &problem);
		problem_finish(&problem);
	} else if (waits) {
		input_wait(c, rest);
	} else {
		input_receive(c, seen);
	}
	if (c->tls && tls_unsent(c->tls)) /* of the handshake */
		lws_callback_on_writable(c->wsi);
	if (arrival->ended && !conn_receive_end(c))
		conn_close(c);
	return true;
}

void conn_adopt(struct loop *l, const struct arrival *arrival, struct slice seen)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	c->tls = arrival->tls;
	c->listen = arrival->listen;
	list_init(&c->turn);
	list_init(&c->timer);
	c->state = CONN_IDLE;
	conn_count_as(c, LABEL_TRANSPORT_HTTP);
	quota_adopt(c, arrival);
	c->id = connection_table_add(&l->conns, c);
	if (!begin(c, arrival, seen))
		conn_destroy(c);
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
 * Whether written bytes can no longer reach the client.  If the client has ended only its own side,
 * they still can.
 */
static bool is_reset(int fd)
{
	struct pollfd socket = { .fd = fd };

	return poll(&socket, 1, 0) == 1 && (socket.revents & (POLLHUP | POLLERR));
}

/*
 * Keeps a connection whose client has ended its side but still waits for an answer. lws cannot
 * continue with such a connection, so a new wsi on a duplicate descriptor writes the answer.
 * False: no answer is pending, the client has gone, or there is no descriptor.  A waiting poll is
 * answered at once, because a client that has gone completely looks the same.
 */
static bool keep_half_closed(struct conn *c)
{
	struct lws *old = c->wsi;

	if (c->state != CONN_BUSY || (c->transport && !c->transport->half_closed) ||
	    (c->reply && reply_has_begun(c->reply)))
		return false; /* the old wsi may have buffered some of an answer that has begun */
	if (is_reset(lws_get_socket_fd(old)) || (c->tls && tls_is_broken(c->tls)))
		return false;
	int fd = fcntl(lws_get_socket_fd(old), F_DUPFD_CLOEXEC, 0);
	struct lws *wsi = fd < 0 ? NULL : adopt_raw(c->loop, fd);
	if (!wsi)
		return false;
	lws_set_opaque_user_data(old, NULL);
	lws_set_opaque_user_data(wsi, c);
	c->wsi = wsi;
	if (c->tls)
		tls_set_descriptor(c->tls, fd);
	c->ended = true;
	c->held = false;
	conn_hold_input(c);
	if (c->transport)
		c->transport->half_closed(c);
	return true;
}

void conn_hung_up(void *context, uint64_t id)
{
	struct conn *c = conn_find(context, id);

	if (!c)
		return;
	if (c->state == CONN_STREAM && c->tls && conn_receive_on_stream(c))
		return;
	if (c->state == CONN_STREAM)
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
	else if (c->state == CONN_SOCKET)
		c->transport->resume_input(c);
	else
		idle_poll_forget(&c->loop->idle_poll,
		                 lws_get_socket_fd(c->wsi)); /* lws reads the input up to its end */
}

/* Sends output that tls.h has kept.  False: the connection is broken. */
static bool flush_sealed(struct conn *c)
{
	if (!tls_flush(c->tls))
		return false;
	if (tls_unsent(c->tls))
		lws_callback_on_writable(c->wsi);
	return true;
}

static int on_writable(struct conn *c)
{
	if (c->tls && !flush_sealed(c))
		return -1;
	if (c->state == CONN_CLOSING)
		return conn_is_partial(c) || c->framed ? 0 : -1;
	if (c->tls && conn_is_partial(c)) /* more output would pile up behind it */
		return 0;
	if (c->state == CONN_STREAM || c->state == CONN_SOCKET)
		c->transport->writable(c);
	if (conn_is_partial(c))
		return 0;
	if (c->reply)
		list_move(&c->loop->turn.replies, &c->turn);
	else if (c->state == CONN_DRAIN)
		input_linger(c);
	else if (c->state == CONN_BODY)
		conn_release_input(c);
	return 0;
}

static int on_socket_writable(struct conn *c)
{
	if (c->state == CONN_SOCKET)
		c->transport->writable(c);
	return 0;
}

/* 0 lets lws continue with the handshake; everything has been checked before. */
static int on_handshake(const struct conn *c)
{
	return c->state == CONN_UPGRADE ? 0 : -1;
}

/* The connection is closing.  WSI_DESTROY follows when the loop has turned. */
static int on_gone(struct conn *c)
{
	if (keep_half_closed(c))
		return 0;
	if ((c->state == CONN_STREAM || c->state == CONN_SOCKET) && c->transport->blocked(c))
		metric_count(METRIC_SLOW_CLOSES + LABEL_CAUSE_BROKEN);
	conn_detach(c);
	return 0;
}

/*
 * A Close frame was received, or has to be sent. lws does the rest of the closing handshake, and
 * nothing else is written any more.
 */
static void end_socket(struct conn *c)
{
	if (c->state != CONN_SOCKET)
		return;
	if (c->transport->blocked(c))
		metric_count(METRIC_SLOW_CLOSES + LABEL_CAUSE_BROKEN);
	conn_detach(c);
	deadline_set(&c->loop->deadlines.closings, c,
	             loop_now(c->loop) + c->loop->limits->write_stall_ms);
}

static int on_peer_closes(struct conn *c, const void *payload, size_t len)
{
	end_socket(c);
	return c->transport->close_allowed(payload, len) ? 0 : -1;
}

/* lws closes a WebSocket, by itself or because we asked for it. */
static int on_socket_closes(struct conn *c)
{
	if (c->state == CONN_SOCKET)
		c->transport->closing(c);
	end_socket(c);
	return 0;
}

int conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
	struct conn *c = wsi ? conn_of(wsi) : NULL;

	(void)user;
	if (!c) /* the adoption is not complete, or the wsi belongs to lws */
		return reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED ? on_adopted(wsi) : 0;
	switch (reason) {
	case LWS_CALLBACK_RAW_RX:
		return conn_receive(c, (struct slice){ in, len }) ? 0 : -1;
	case LWS_CALLBACK_RAW_WRITEABLE:
		return on_writable(c);
	case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return on_handshake(c);
	case LWS_CALLBACK_HTTP: /* the request was no handshake */
		return -1;
	case LWS_CALLBACK_ESTABLISHED:
		c->transport->established(c);
		return 0;
	case LWS_CALLBACK_RECEIVE:
		return c->transport->received(c, in, len);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return on_peer_closes(c, in, len);
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
		return on_socket_closes(c);
	case LWS_CALLBACK_RECEIVE_PONG:
		c->transport->pong(c);
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
