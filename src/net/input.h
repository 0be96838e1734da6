/*
 * The reading side of a connection: from the bytes that arrive to complete requests, one after
 * another.
 *
 * What arrives while a request is being answered is kept, up to a bound beyond which the socket is
 * not read from; the next request is taken out of it when the answer has been written.  A refusal
 * ends the connection, but not before the client could read it: see input_linger().
 */
#ifndef JOBLIGHT_NET_INPUT_H
#define JOBLIGHT_NET_INPUT_H

#include "connection.h"

/* Bytes arrived.  False: the connection is to be closed. */
bool input_receive(struct conn *c, struct slice bytes);

/* The answer was written: ready for the next request, of which there may be bytes already. */
void input_next(struct conn *c);

/* Refuses the request that is arriving: the answer goes out at the end of this turn, and ends the
 * connection. */
void input_refuse(struct conn *c, const struct problem *problem);

/* The request's head or body did not arrive in time. */
void input_late(struct conn *c);

/*
 * The last answer was written.  Closing now could reset the connection, and the client would lose
 * the answer: the server says that it has said all, and reads on for a while without looking at
 * what comes.
 */
void input_linger(struct conn *c);

#endif
