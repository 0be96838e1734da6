/* What a connection's socket takes and gives: its input held back, its send buffer. */
#ifndef JOBLIGHT_NET_CONNECTION_FLOW_H
#define JOBLIGHT_NET_CONNECTION_FLOW_H

#include "connection.h"

/* Stops and resumes reading from the connection. */
void conn_hold_input(struct conn *c);
void conn_release_input(struct conn *c);

/*
 * Announces `coming` bytes of output; 0: they have gone.  The socket gets a larger buffer when the
 * client takes them and --max-wide has room for it.
 */
void conn_widen(struct conn *c, size_t coming);
void conn_count_flow(struct conn *c, size_t len);
/* The socket took `len` bytes more. */
static inline void conn_note_flow(struct conn *c, size_t len)
{
	if (c->may_widen && !c->wide)
		conn_count_flow(c, len);
}
void conn_note_blocked(struct conn *c); /* its time to take something begins now */
/*
 * Whether the peer has acknowledged some bytes within the last write_stall_ms while others wait for
 * it. A socket with a large buffer becomes writable only when a third of it is free: a slow peer
 * may need longer than write_stall_ms for that.
 */
bool conn_takes(struct conn *c);

#endif
