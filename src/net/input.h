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

struct request_head;

/* Takes bytes that have arrived.  False: close the connection. */
bool input_receive(struct conn *c, struct slice bytes);

/*
 * Makes c->request of a head, with its id and its record.  It is nobody's until its credential has
 * been looked at.  If the problem has an outcome then, the request is refused.
 */
void input_check(struct conn *c, const struct request_head *head, struct problem *problem);

/* The request needs nothing more, and runs at the end of this turn; `rest` is what comes after it.
 */
void input_wait(struct conn *c, struct slice rest);
/* The running request is to become a WebSocket now: see dispatch.upgrade_waits. */
void input_upgrade(struct conn *c);

/* The answer has been written.  Parses the next request, if any of it has arrived. */
/* The same, when c is idle already: takes what has arrived, and reads again. */
void input_go_on(struct conn *c);
void input_next(struct conn *c);

/*
 * Lets the next piece of a streamed body (struct request) come.  transport.piece is called when it
 * has, in a later turn.  The client that waits for "100 Continue" gets it with the first call.
 */
void input_next_piece(struct conn *c);

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
