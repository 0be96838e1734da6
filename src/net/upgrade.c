#include "upgrade.h"

#include <fcntl.h>

#include "connection_flow.h"
#include "dispatch.h"
#include "loop_private.h"

bool upgrade_granted(struct conn *c, const struct request *r, struct problem *problem)
{
	c->transport = c->loop->dispatch->upgrade(c, r, problem);
	return c->transport != NULL;
}

/* Closes the old wsi and its descriptor without callbacks. */
static void discard_wsi(struct loop *l, struct lws *wsi)
{
	lws_rx_flow_control(wsi, 0);
	lws_set_opaque_user_data(wsi, NULL);
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	l->kick = true;
}

/* lws calls back during the adoption; lws_events.c then sets c->wsi. */
static bool adopt(struct conn *c, int fd, struct slice bytes)
{
	struct loop *l = c->loop;

	l->adopting = c;
	lws_adopt_socket_vhost_readbuf(l->vhost, fd, bytes.ptr, bytes.len);
	bool begun = !l->adopting; /* if l->adopting is still set, lws has closed the descriptor */
	l->adopting = NULL;
	return begun;
}

bool upgrade_begin(struct conn *c, int fd, struct slice rest)
{
	struct buf bytes = { 0 };

	c->state = CONN_UPGRADE;
	shown_forget(&c->shown);
	c->transport->write_handshake(c->request, &bytes);
	buf_slice(&bytes, rest);
	bool begun = adopt(c, fd, buf_as_slice(&bytes)); /* lws copies the bytes */
	buf_finish(&bytes);
	return begun;
}

/*
 * lws cannot turn a raw connection into an HTTP one, so it adopts a second descriptor of the same
 * socket, and does the handshake during the adoption.
 */
bool upgrade_later(struct conn *c, struct slice rest)
{
	struct lws *old = c->wsi;
	int fd = fcntl(lws_get_socket_fd(old), F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return false; /* leaves the input as it was, for the caller's refusal */
	c->held = false;
	if (!upgrade_begin(c, fd, rest))
		return false;
	discard_wsi(c->loop, old);
	return true;
}

bool upgrade_framed(struct conn *c, struct slice rest)
{
	struct buf answer = { 0 };

	c->framed = true;
	conn_release_input(c);
	c->transport->write_acceptance(c->request, &answer);
	conn_write(c, answer.ptr, answer.len); /* after an error the connection is closing */
	buf_finish(&answer);
	if (c->state != CONN_CLOSING)
		c->transport->established(c);
	if (rest.len && c->state == CONN_SOCKET && !c->transport->take(c, rest))
		conn_kill(c);
	return true;
}
