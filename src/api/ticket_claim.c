#include "ticket_claim.h"

#include "context.h"
#include "gate.h"
#include "joblight/base/clock.h"
#include "joblight/core/token.h"
#include "net/ask.h"
#include "net/dispatch.h"
#include "net/input.h"
#include "net/tickets.h"
#include "ticket.h"

bool ticket_claim_is_possible(const struct conn *c)
{
	return tickets_have_nodes(c->loop->loops->tickets) && c->claim == CLAIM_UNKNOWN &&
	       !access_is_open(c->loop);
}

bool ticket_claim_is_due(const struct conn *c, const struct request *r)
{
	struct slice text;

	return ticket_claim_is_possible(c) && gate_shows_ticket(r, &text);
}

/* The request runs again, and finds the answer. */
static void settle(struct conn *c, enum ticket_claim_state claim)
{
	c->claim = claim;
	if (c->request->upgrades)
		input_upgrade(c);
	else
		c->loop->dispatch->run(c, c->request);
}

/* An upgrade gets the same refusals as other requests. */
static void refuse(struct conn *c, const struct problem *problem)
{
	if (c->request->upgrades)
		input_refuse(c, problem);
	else
		reply_stream_problem(c, problem);
}

static void refuse_overload(struct conn *c)
{
	struct problem p = { .outcome = OUTCOME_OVERLOADED,
		             .detail = "too many requests are waiting for the database; repeat "
		                       "this one in a moment" };

	refuse(c, &p);
}

/* ---- a ticket that opens a stream ---- */

/* Of two requests with the same ticket, the second one need not ask. */
static void ask_to_open(struct conn *c, const struct token *t)
{
	struct tickets *tickets = c->loop->loops->tickets;

	if (!tickets_open(tickets, t, clock_shared_ms())) {
		settle(c, CLAIM_DENIED);
		return;
	}
	struct op *op = op_create(OP_TICKET_USE);
	memcpy(op->token.id, t->id, sizeof(op->token.id));
	if (ask_write(c, op))
		return;
	op_free(op);
	tickets_give_back(tickets, t->id);
	refuse_overload(c);
}

/* A ticket that another node has used may be returned there, so it is asked for again. */
void ticket_claimed(struct conn *c, struct op *op)
{
	enum outcome outcome = op->problem.outcome;

	if (outcome == OUTCOME_NO_CONTENT) {
		memcpy(c->ticket, op->token.id, sizeof(c->ticket));
		settle(c, CLAIM_GRANTED);
		op_free(op);
		return;
	}
	tickets_give_back(c->loop->loops->tickets, op->token.id);
	if (outcome == OUTCOME_UNAUTHORIZED)
		settle(c, CLAIM_DENIED);
	else
		refuse(c, &op->problem);
	op_free(op);
}

/* Of an op that has failed nobody knows what became of it. */
void ticket_claimed_in_vain(struct loop *l, const struct op *op)
{
	if (op->problem.outcome == OUTCOME_NO_CONTENT)
		ticket_return(l, op->token.id);
	else
		tickets_give_back(l->loops->tickets, op->token.id);
}

/* ---- a ticket that continues one ---- */

static void answered(struct conn *c, struct read_result *result, const void *data)
{
	const struct token *t = data;
	enum outcome outcome = result->problem.outcome;

	if (outcome == OUTCOME_OK) {
		tickets_note(c->loop->loops->tickets, t, clock_shared_ms());
		settle(c, CLAIM_GRANTED);
	} else if (outcome == OUTCOME_NOT_FOUND) {
		settle(c, CLAIM_DENIED);
	} else {
		refuse(c, &result->problem);
	}
}

/* What is not known any more of an old ticket is not held against it. */
static void ask_to_continue(struct conn *c, const struct token *t)
{
	struct read_query q = { .kind = READ_TICKET };

	memcpy(q.job_id, t->id, sizeof(t->id));
	if (tickets_continue(c->loop->loops->tickets, t) ||
	    clock_shared_ms() - t->issued >= TICKET_KEPT_MS - TICKET_MS)
		settle(c, CLAIM_GRANTED);
	else if (!ask_read(c, &q, answered, t, sizeof(*t)))
		refuse_overload(c);
}

void ticket_claim(struct conn *c, struct request *r)
{
	struct slice text = { 0 };
	const char *fault;
	struct token t;

	c->ticket[0] = '\0';
	gate_shows_ticket(r, &text);
	if (!token_decode(c->loop->keyring, TOKEN_TICKET, text, clock_shared_ms(), &t, &fault) ||
	    !access_is_backed(c->loop, t.credential))
		settle(c, CLAIM_DENIED); /* the gate finds the same, and says it */
	else if (ticket_continues(r))
		ask_to_continue(c, &t);
	else
		ask_to_open(c, &t);
	credential_release(t.credential);
}
