#include "connection_input.h"

#include <errno.h>
#include <sys/socket.h>

#include "connection_flow.h"
#include "input.h"
#include "loop_private.h"
#include "tls.h"
#include "transport.h"

static bool take(struct conn *c, struct slice bytes)
{
	return c->framed ? c->transport->take(c, bytes) : input_receive(c, bytes);
}

bool conn_receive_end(struct conn *c)
{
	if (c->state == CONN_DRAIN && c->reply) { /* the answer is still to be sent */
		c->ended = true;
		conn_hold_input(c);
		return true;
	}
	if (c->state != CONN_BUSY || (c->transport && !c->transport->half_closed))
		return false;
	c->ended = true;
	conn_hold_input(c);
	if (c->transport)
		c->transport->half_closed(c);
	return true;
}

static bool receive_sealed(struct conn *c, struct slice bytes)
{
	char opened[TLS_RECORD_BYTES];
	size_t len;

	tls_feed(c->tls, bytes);
	for (;;) {
		switch (tls_read(c->tls, opened, sizeof(opened), &len)) {
		case TLS_OPENED:
			if (!take(c, (struct slice){ opened, len }))
				return false;
			break;
		case TLS_MORE:
			if (tls_unsent(c->tls))
				lws_callback_on_writable(c->wsi);
			return true;
		case TLS_ENDED:
			return conn_receive_end(c);
		case TLS_BROKEN:
			return false;
		}
	}
}

bool conn_receive(struct conn *c, struct slice bytes)
{
	return c->tls ? receive_sealed(c, bytes) : take(c, bytes);
}

bool conn_receive_on_stream(struct conn *c)
{
	char sealed[4096];
	ssize_t n = recv(lws_get_socket_fd(c->wsi), sealed, sizeof(sealed), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	return n > 0 && receive_sealed(c, (struct slice){ sealed, (size_t)n });
}
