#include "connection.h"

#include <stdlib.h>

#include "capacity.h"
#include "connection_flow.h"
#include "deadlines.h"
#include "loop_private.h"
#include "socket.h"
#include "quota.h"
#include "reply_parts.h"
#include "request_record.h"
#include "tls.h"
#include "transport.h"

/* Life. */

#define COUNTED 0x80 /* in conn.label: it is in the metric */

static unsigned conn_label(const struct conn *c)
{
	return c->label & ~(unsigned)COUNTED;
}

void conn_count_as(struct conn *c, unsigned label)
{
	if (c->label)
		metric_subtract(METRIC_CONNECTIONS + conn_label(c), 1);
	c->label = (uint8_t)(label | COUNTED);
	metric_count(METRIC_CONNECTIONS + label);
}

void conn_release(struct conn *c)
{
	capacity_uncount_stream(c);
	if (!c->transport)
		return;
	c->transport->detach(c);
	c->transport->free(c);
	c->transport = NULL;
	c->session = NULL;
	conn_count_as(c, LABEL_TRANSPORT_HTTP);
}

void conn_detach(struct conn *c)
{
	record_end(c, false);
	c->state = CONN_CLOSING;
	capacity_uncount_stream(c);
	if (c->reading)
		atomic_store(&c->reading->gone, true);
	c->reading = NULL;
	if (c->transport)
		c->transport->detach(c);
	list_remove(&c->turn);
	deadline_clear(c);
	request_free(c->request);
	c->request = NULL;
	reply_free(c->reply);
	c->reply = NULL;
	conn_widen(c, 0);
	buf_finish(&c->in);
	shown_forget(&c->shown);
}

void conn_destroy(struct conn *c)
{
	conn_detach(c);
	conn_release(c);
	metric_subtract(METRIC_CONNECTIONS + conn_label(c), 1);
	connection_table_remove(&c->loop->conns, c->id);
	capacity_leave(c->loop);
	quota_finish(c);
	credential_release(c->credential);
	tls_free(c->tls);
	if (c->wsi)
		lws_set_opaque_user_data(c->wsi, NULL);
	free(c);
}

/* Output that lws has buffered gets write_stall_ms; lws itself would give it five seconds. */
void conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return;
	bool is_socket = c->state == CONN_SOCKET;
	conn_detach(c);
	if (is_socket)
		c->transport->resume_input(c);
	c->framed = false; /* nothing more is taken */
	if (c->tls)
		tls_end(c->tls);
	if (conn_is_partial(c)) {
		if (!is_socket)
			conn_hold_input(c);
		lws_callback_on_writable(c->wsi);
		deadline_set(&c->loop->deadlines.closings, c,
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

/* Output. */

bool conn_is_partial(const struct conn *c)
{
	return c->tls ? tls_unsent(c->tls) > 0 : lws_partial_buffered(c->wsi);
}

static bool write_bytes(struct conn *c, const char *bytes, size_t len)
{
	c->loop->sent += len;
	if (c->tls)
		return tls_write(c->tls, bytes, len);
	/* lws neither changes these bytes nor writes before them, so they may be shared */
	return lws_write(c->wsi, (unsigned char *)(uintptr_t)bytes, len, LWS_WRITE_HTTP) >= 0;
}

enum sink conn_write(struct conn *c, const char *bytes, size_t len)
{
	if (!write_bytes(c, bytes, len)) {
		conn_kill(c);
		return SINK_BLOCKED;
	}
	record_bytes(c, len);
	conn_note_flow(c, len);
	if (!conn_is_partial(c))
		return SINK_OPEN;
	if (c->state != CONN_SOCKET)
		conn_hold_input(c);
	conn_note_blocked(c);
	lws_callback_on_writable(c->wsi);
	return SINK_BLOCKED;
}

void conn_expect_stream(struct conn *c)
{
	c->close_after = true;
}

void conn_become_stream(struct conn *c)
{
	record_note_stream(c, 200);
	c->state = CONN_STREAM;
	deadline_clear(c);
	request_free(c->request);
	c->request = NULL;
	buf_finish(&c->in);
	shown_forget(&c->shown);
	conn_hold_input(c); /* input now is a hang-up, or is unexpected and closes the stream */
	idle_poll_watch(&c->loop->idle_poll, lws_get_socket_fd(c->wsi), c->id);
}

void conn_reply_ready(struct conn *c)
{
	uint64_t delay = quota_delay_ms(c);

	deadline_clear(c);
	if (delay && !c->loop->stopping)
		deadline_set(&c->loop->deadlines.delays, c, loop_now(c->loop) + delay);
	else
		list_move(&c->loop->turn.replies, &c->turn);
}

unsigned conn_peer_port(const struct conn *c)
{
	return socket_peer_port(lws_get_socket_fd(c->wsi));
}
