/*
 * Tickets where several nodes use the same database, which knows which of them were used.  A
 * request that shows a ticket waits for the database before it passes the gate; then it runs as if
 * it had just come.
 */
#ifndef JOBLIGHT_API_TICKET_CLAIM_H
#define JOBLIGHT_API_TICKET_CLAIM_H

#include "joblight/core/op.h"
#include "net/request.h"

/* Whether a request of the connection may have to wait now; quick where this is the only node. */
bool ticket_claim_is_possible(const struct conn *c);
/* Whether this one has to: it shows a ticket.  The request has its route. */
bool ticket_claim_is_due(const struct conn *c, const struct request *r);
/*
 * Asks.  Afterwards c->claim is the answer, and the request runs; or it is refused, because the
 * database does not answer.
 */
void ticket_claim(struct conn *c, struct request *r);
/* OP_TICKET_USE has returned.  Takes the op. */
void ticket_claimed(struct conn *c, struct op *op);
/* The same when its client has gone: the ticket can be used again.  Borrows the op. */
void ticket_claimed_in_vain(struct loop *l, const struct op *op);

#endif
