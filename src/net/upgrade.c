#include "upgrade.h"

#include <fcntl.h>

#include "input.h"
#include "loop_private.h"
#include "origin_check.h"
#include "ws.h"

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

/*
 * lws cannot turn a raw connection into one of HTTP, so it adopts a second descriptor of the same socket, with
 * the bytes that were read from it already.  The handshake happens in there.
 */
void upgrade_later(struct conn *c, struct slice bytes)
{
	struct problem full = { .outcome = OUTCOME_OVERLOADED, .detail = "the server has no descriptor left" };
	struct lws *old = c->wsi;
	int fd = fcntl(lws_get_socket_fd(old), F_DUPFD_CLOEXEC, 0);

	c->state = CONN_UPGRADE;
	c->held = false;
	if (fd >= 0 && conn_adopt_upgrade(c, fd, bytes))
		let_go(c->loop, old);
	else
		input_refuse(c, &full);
}
