#include "apply.h"

#include "joblight/core/token.h"

bool apply_ticket_use(struct engine *e, struct op *op)
{
	const struct store_ops *ops = e->store->ops;
	enum store_result r = ops->used_ticket_put(e->store, op->token.id, TICKET_KEPT_MS);

	if (store_failed(e, r))
		return false;
	if (r == STORE_NONE)
		return problem_set(&op->problem, OUTCOME_UNAUTHORIZED, "this ticket was used");
	op->problem.outcome = OUTCOME_NO_CONTENT;
	return true;
}

bool apply_ticket_return(struct engine *e, struct op *op)
{
	if (store_failed(e, e->store->ops->used_ticket_delete(e->store, op->token.id)))
		return false;
	op->problem.outcome = OUTCOME_NO_CONTENT;
	return true;
}
