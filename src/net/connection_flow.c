#include "connection_flow.h"

#include "loop_private.h"
#include "socket.h"

/* Input. */

/* Each change of what poll waits for costs a system call, so input is held only where necessary. */
void conn_hold_input(struct conn *c)
{
	if (!c->held)
		lws_rx_flow_control(c->wsi, 0);
	c->held = true;
}

void conn_release_input(struct conn *c)
{
	if (c->held)
		lws_rx_flow_control(c->wsi, 1);
	c->held = false;
}

/* Output. */

#define WIDE_BYTES (64 * 1024) /* less output needs no larger buffer */
#define FLOW_BYTES                                                                                 \
	(512 * 1024) /* a client that does not read takes less than this into its buffers */

static void set_wide(struct conn *c, bool wide)
{
	atomic_size_t *all = &c->loop->loops->wide;

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

void conn_count_flow(struct conn *c, size_t len)
{
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

void conn_note_blocked(struct conn *c)
{
	socket_takes(lws_get_socket_fd(c->wsi), &c->taken);
	c->took = loop_now(c->loop);
}
