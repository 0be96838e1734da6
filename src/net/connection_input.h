/* The input of a connection on its way to those who take it: through TLS, if it speaks that. */
#ifndef JOBLIGHT_NET_CONNECTION_INPUT_H
#define JOBLIGHT_NET_CONNECTION_INPUT_H

#include "connection.h"

/* Takes bytes of the socket.  False: close the connection. */
bool conn_receive(struct conn *c, struct slice bytes);

/*
 * The client has ended its side of TLS.  Like a client that has ended its side of the socket, it
 * may still wait for an answer (lws_events.c); its socket is still open, so the connection goes on.
 * False: close the connection.
 */
bool conn_receive_end(struct conn *c);

/*
 * Input has arrived on a stream that speaks TLS.  True: it was a record of the protocol itself, and
 * the stream goes on.  False: the client has gone, or has sent what nobody asked for.
 */
bool conn_receive_on_stream(struct conn *c);

#endif
