/* An engine works in transactions, and rewriting is not a part of one. */
#include "apply.h"

bool apply_rewrite(struct engine *e, struct op *op)
{
	(void)e;
	return problem_set(&op->problem, OUTCOME_STORAGE_UNAVAILABLE,
	                   "this database cannot be rewritten now");
}
