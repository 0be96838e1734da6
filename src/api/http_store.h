/* How a handler of a request asks the store, and answers with what comes back. */
#ifndef JOBLIGHT_API_HTTP_STORE_H
#define JOBLIGHT_API_HTTP_STORE_H

#include "net/request.h"

/* Hands an op to the store; the op's answer becomes the connection's.  Takes the op. */
void http_submit(struct conn *c, struct op *op);
void http_answered(struct conn *c, struct op *op); /* dispatch.answered */

/* Asks the store; `answer` is called if the connection still waits, and the store has an answer. */
typedef void http_read_answer(struct conn *c, struct read_result *result);
void http_read(struct conn *c, const struct read_query *q, http_read_answer *answer);

/* Reads the idempotency key into the op.  False: the problem is set. */
bool http_idempotency_key(const struct request *r, struct op *op, struct problem *problem);

#endif
