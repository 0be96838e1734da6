#include "connection_turn.h"

#include "connection_flow.h"
#include "deadlines.h"
#include "dispatch.h"
#include "input.h"
#include "loop_private.h"
#include "reply_parts.h"
#include "request_record.h"

#define TURN_BYTES (1024 * 1024) /* at most so much is written in one turn */

void conn_run_request(struct conn *c)
{
	list_remove(&c->turn);
	if (c->request->streamed && c->transport)
		c->transport->piece(c);
	else
		c->loop->dispatch->run(c, c->request);
}

enum reply_progress {
	REPLY_DONE,    /* all written, and c->reply is NULL */
	REPLY_MORE,    /* more is left, but other connections get their turn first */
	REPLY_WAITS,   /* the next piece of its body has to come first */
	REPLY_BLOCKED, /* the socket takes no more for now, or the connection is closing */
};

/* Writes the next pieces of c->reply. */
static enum reply_progress write_reply(struct conn *c)
{
	struct reply *r = c->reply;

	for (size_t written = 0; written < TURN_BYTES;) {
		struct slice piece = reply_next_piece(r);
		if (!piece.len && r->more)
			return REPLY_WAITS;
		if (!piece.len) {
			conn_widen(c, 0);
			reply_free(r);
			c->reply = NULL;
			return REPLY_DONE;
		}
		written += piece.len;
		if (conn_write(c, piece.ptr, piece.len) ==
		    SINK_BLOCKED) /* the reply may have been freed with the connection */
			return REPLY_BLOCKED;
	}
	return REPLY_MORE;
}

/* Whether unread input may be left, which would reset the connection when it closes. */
static bool must_linger(const struct conn *c)
{
	if (c->state == CONN_DRAIN || !c->close_after)
		return c->state == CONN_DRAIN;
	return c->in.len || c->held || (c->request && c->request->keep_alive);
}

/* Prepares the connection for the next request. */
static void next_request(struct conn *c)
{
	conn_release(c);
	input_next(c);
}

static void finish_reply(struct conn *c)
{
	deadline_clear(c);
	record_end(c, true);
	if (c->loop->stopping && (c->tls || c->loop->moving != MOVING_LEAVING))
		c->close_after = true;
	if (must_linger(c))
		input_linger(c);
	else if (c->close_after)
		conn_close(c);
	else
		next_request(c);
}

/* A client gets write_stall_ms for each piece of the answer. */
void conn_flush_reply(struct conn *c)
{
	struct loop *l = c->loop;

	list_remove(&c->turn);
	switch (write_reply(c)) {
	case REPLY_DONE:
		finish_reply(c);
		return;
	case REPLY_WAITS:
		deadline_clear(c);
		c->reply->more(c);
		return;
	case REPLY_MORE:
		conn_hold_input(c);
		list_append(&l->turn.replies, &c->turn);
		return;
	case REPLY_BLOCKED:
		if (c->state != CONN_CLOSING)
			deadline_set(&l->deadlines.closings, c,
			             loop_now(l) + l->limits->write_stall_ms);
	}
}
