#include "upgrade.h"

#include <fcntl.h>

#include "dispatch.h"
#include "input.h"
#include "loop_private.h"

bool upgrade_granted(struct conn *c, const struct request *r, struct problem *problem)
{
	c->transport = c->loop->dispatch->upgrade(c, r, problem);
	return c->transport != NULL;
}

/* The old wsi goes without a word, and its descriptor with it. */
static void let_go(struct loop *l, struct lws *wsi)
{
	lws_rx_flow_control(wsi, 0);
	lws_set_opaque_user_data(wsi, NULL);
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	l->kick = true;
}

bool upgrade_begin(struct conn *c, int fd, struct slice rest)
{
	struct buf bytes = { 0 };

	c->state = CONN_UPGRADE;
	c->transport->write_handshake(c->request, &bytes);
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
		input_refuse(c, &full); /* conn_release() forgets the transport */
}
