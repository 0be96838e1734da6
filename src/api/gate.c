#include "gate.h"

#include "context.h"
#include "origin_check.h"

bool gate_enter(struct conn *c, const struct request *r, struct problem *problem)
{
	return origin_access(&api_of(c)->origin_rules, r, &c->access, problem);
}

bool gate_admits(const struct conn *c, enum access need, struct problem *problem)
{
	return !(need & ~c->access) || origin_forbidden(c->request, problem);
}
