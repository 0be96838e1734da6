/* How a handler uses the store, and answers its request with the result. */
#ifndef JOBLIGHT_API_HTTP_STORE_H
#define JOBLIGHT_API_HTTP_STORE_H

#include "net/request.h"

/* Submits an operation; write_answered() answers the request.  Takes `op`. */
void http_submit(struct conn *c, struct op *op);

/*
 * Reads the store.  `answer` is called if the connection still waits and the read did not fail;
 * otherwise the request is answered with the problem.
 */
typedef void http_read_answer(struct conn *c, struct read_result *result);
void http_read(struct conn *c, const struct read_query *q, http_read_answer *answer);

/* Keeps If-Match and If-None-Match for the store. */
void http_conditions(const struct request *r, struct op *op);
/* Reads the Idempotency-Key header into the op.  False: *problem is set. */
bool http_idempotency_key(const struct request *r, struct op *op, struct problem *problem);

#endif
