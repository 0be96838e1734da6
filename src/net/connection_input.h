/* The input of a connection on its way to those who take it: through TLS, if it speaks that. */
#ifndef JOBLIGHT_NET_CONNECTION_INPUT_H
#define JOBLIGHT_NET_CONNECTION_INPUT_H

#include "connection.h"

/* Takes bytes of the socket.  False: close the connection. */
bool conn_receive(struct conn *c, struct slice bytes);

/*
 * Input has arrived on a stream that speaks TLS.  True: it was a record of the protocol itself, and
 * the stream goes on.  False: the client has gone, or has sent what nobody asked for.
 */
bool conn_receive_on_stream(struct conn *c);

#endif
