#include "upgrade.h"

#include <fcntl.h>

#include "input.h"
#include "loop_private.h"
#include "origin_check.h"
#include "transport/websocket.h"

bool upgrade_granted(struct conn *c, const struct request *r, struct problem *problem)
{
	if (!origin_check(&c->loop->family->config.origin_rules, r, ORIGIN_WEBSOCKET, problem))
		return false;
	if (!slice_is(r->path, "/api/ws"))
		return problem_set(problem, OUTCOME_NOT_FOUND, "the WebSocket is at /api/ws");
	return ws_upgrade_wanted(r, problem) && loop_takes_stream(c, problem);
}

/* The old wsi goes without a word, and its descriptor with it. */
static void let_go(struct loop *l, struct lws *wsi)
{
	lws_rx_flow_control(wsi, 0);
	lws_set_opaque_user_data(wsi, NULL);
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	l->kick = true;
}

static void write_head(struct buf *out, const struct request *r)
{
	struct slice key = r->headers[HEADER_WEBSOCKET_KEY];

	buf_text(out, "GET /api/ws HTTP/1.1\r\nHost: joblight\r\nUpgrade: websocket\r\n"
	              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
	buf_slice(out, key);
	buf_text(out,
	         ws_subprotocol_wanted(r) ? "\r\nSec-WebSocket-Protocol: " WS_SUBPROTOCOL : "");
	buf_text(out, "\r\n\r\n");
}

bool upgrade_begin(struct conn *c, int fd, struct slice rest)
{
	struct buf bytes = { 0 };

	c->state = CONN_UPGRADE;
	write_head(&bytes, c->request);
	buf_slice(&bytes, rest);
	bool begun = conn_adopt_upgrade(c, fd, buf_as_slice(&bytes)); /* which copies them */
	buf_finish(&bytes);
	return begun;
}

/*
 * lws cannot turn a raw connection into one of HTTP, so it adopts a second descriptor of the same
 * socket.  The handshake happens in there.
 */
void upgrade_later(struct conn *c, struct slice rest)
{
	struct problem full = { .outcome = OUTCOME_OVERLOADED,
		                .detail = "the server has no descriptor left" };
	struct loop *l = c->loop;
	struct lws *old = c->wsi;
	int fd = fcntl(lws_get_socket_fd(old), F_DUPFD_CLOEXEC, 0);

	c->held = false;
	if (fd >= 0 && upgrade_begin(c, fd, rest))
		let_go(l, old);
	else
		input_refuse(c, &full);
}
