/* Flow control of a connection: holding its input, and the size of its send buffer. */
#ifndef JOBLIGHT_NET_CONNECTION_FLOW_H
#define JOBLIGHT_NET_CONNECTION_FLOW_H

#include "connection.h"

/* Stop and resume polling for input. */
void conn_hold_input(struct conn *c);
void conn_release_input(struct conn *c);

/*
 * Announces `coming` bytes of output; 0 when they have been sent.  Enlarges the send buffer of the
 * socket if the client takes output and --max-wide has room.
 */
void conn_widen(struct conn *c, size_t coming);
void conn_count_flow(struct conn *c, size_t len);
/* The socket has taken `len` bytes. */
static inline void conn_note_flow(struct conn *c, size_t len)
{
	if (c->may_widen && !c->wide)
		conn_count_flow(c, len);
}
void conn_note_blocked(struct conn *c); /* the stall timeout starts now */
/*
 * Whether the peer has acknowledged bytes within the last write_stall_ms while more are waiting for
 * it.  This is needed for a socket with a large buffer: it becomes writable only when a third of
 * the buffer is free, which can take a slow peer longer than write_stall_ms.
 */
bool conn_takes(struct conn *c);

#endif
