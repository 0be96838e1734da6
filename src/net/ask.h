/*
 * The way of a connection to the store, for requests, WebSocket messages, streams and polls alike.
 * In the thread of its loop; the answers come back there.
 */
#ifndef JOBLIGHT_NET_ASK_H
#define JOBLIGHT_NET_ASK_H

#include "connection.h"
#include "joblight/core/op.h"
#include "joblight/core/query.h"

/*
 * Hands an op to the store.  It comes back through transport.answered or dispatch.answered.  False:
 * too many are waiting, which is counted, and the op is still the caller's.
 */
bool ask_write(struct conn *c, struct op *op);
/* The answer to it, or to one of another connection that is gone.  Takes the op. */
void ask_answered(struct loop *l, struct op *op);

/*
 * Asks a question.  `answer` is called unless the connection has gone; the result may be a problem.
 * The `len` bytes of `data` are copied for it.  False: too many are waiting, which is counted, and
 * `answer` is not called.
 */
typedef void ask_answer(struct conn *c, struct read_result *result, const void *data);
bool ask_read(struct conn *c, const struct read_query *q, ask_answer *answer, const void *data,
              size_t len);

/* The question of a subscription, which the hub asks: r->asker is its connection, or 0. */
bool ask_read_of_hub(struct loop *l, struct read_request *r);
/* Once a turn: hands on some of the reads of any kind that were answered.  True: there are more. */
bool ask_take_reads(struct loop *l);

#endif
