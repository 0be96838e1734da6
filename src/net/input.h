/*
 * Turns the bytes that arrive on a connection into complete requests, one after another.
 *
 * Input that arrives while a request is being answered is kept, up to a limit, beyond which the
 * socket is not read.  The next request is parsed when the answer has been written.  A refusal ends
 * the connection, but gives the client time to read the answer: see input_linger().
 */
#ifndef JOBLIGHT_NET_INPUT_H
#define JOBLIGHT_NET_INPUT_H

#include "connection.h"

/* Takes bytes that have arrived.  False: close the connection. */
bool input_receive(struct conn *c, struct slice bytes);

/* The answer has been written.  Parses the next request, if any of it has arrived. */
void input_next(struct conn *c);

/*
 * Refuses the request that is arriving.  The answer is written at the end of this turn, and ends
 * the connection.
 */
void input_refuse(struct conn *c, const struct problem *problem);

/* The head or body of the request has not arrived in time. */
void input_late(struct conn *c);

/*
 * Ends a connection after its last answer was written.  Closing at once could reset the connection,
 * and the client would lose the answer.  So the server first shuts down its side, and reads and
 * ignores input for a while.
 */
void input_linger(struct conn *c);

#endif
