/*
 * Writes and reads of the store for a connection: requests, WebSocket messages, streams and polls
 * all use them.  Call them in the thread of the connection's loop; results are delivered in that
 * thread.
 */
#ifndef JOBLIGHT_NET_ASK_H
#define JOBLIGHT_NET_ASK_H

#include "connection.h"
#include "joblight/core/op.h"
#include "joblight/core/query.h"

/*
 * Sends an operation to the store thread.  It returns through transport.answered or
 * dispatch.answered.  False: the mailbox is full (this is counted), and the caller still owns the
 * operation.
 */
bool ask_write(struct conn *c, struct op *op);
/* Delivers an operation that has returned; frees it if its connection has gone.  Takes `op`. */
void ask_answered(struct loop *l, struct op *op);

/*
 * Sends a read to the reader threads.  `answer` is called once with the result, which may be a
 * problem, unless the connection has gone by then.  It gets a copy of the `len` bytes of `data`.
 * False: too many reads are waiting (this is counted), and `answer` is not called.
 */
typedef void ask_answer(struct conn *c, struct read_result *result, const void *data);
bool ask_read(struct conn *c, const struct read_query *q, ask_answer *answer, const void *data,
              size_t len);

/* Sends a read of the hub for a subscription. r->asker is the id of its connection, or 0. */
bool ask_read_of_hub(struct loop *l, struct read_request *r);
/* Call once in each turn: delivers some of the finished reads.  True: there are more. */
bool ask_take_reads(struct loop *l);

#endif
