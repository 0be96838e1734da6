#include "apply.h"

#define KEPT_MS 86400000 /* after its end, in case the clock is set back */

/* Revokes the token: of a session that ends, of a link that is used, or by its holder. */
bool apply_token_revoke(struct engine *e, struct op *op)
{
	enum store_result r = e->store->ops->revoked_token_put(e->store, &op->token);

	if (store_failed(e, r) || store_failed(e, e->store->ops->revoked_tokens_prune(
	                                              e->store, engine_shared_time(e) - KEPT_MS)))
		return false;
	if (r == STORE_NONE)
		return problem_set(&op->problem, OUTCOME_UNAUTHORIZED,
		                   "this link or session has been used up; ask for a new one");
	e->batch->keys_changed = true;
	op->problem.outcome = OUTCOME_NO_CONTENT;
	return true;
}
