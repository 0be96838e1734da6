#include "http_store.h"

#include <stdio.h>

#include "net/ask.h"
#include "net/loop_private.h"

/* Writes. */

bool http_idempotency_key(const struct request *r, struct op *op, struct problem *problem)
{
	struct slice key = r->headers[HEADER_IDEMPOTENCY_KEY];

	if (!key.ptr)
		return true;
	if (!key_valid(key))
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "Idempotency-Key must be 1 to %d visible ASCII characters",
		                   KEY_MAX);
	memcpy(op->key, key.ptr, key.len);
	op->key[key.len] = '\0';
	return true;
}

void http_conditions(const struct request *r, struct op *op)
{
	buf_slice(&op->if_match, r->headers[HEADER_IF_MATCH]);
	buf_slice(&op->if_none_match, r->headers[HEADER_IF_NONE_MATCH]);
}

void http_submit(struct conn *c, struct op *op)
{
	if (ask_write(c, op))
		return;
	op_free(op);
	reply_refuse(c, OUTCOME_OVERLOADED,
	             "too many writes are waiting; repeat this one in a moment");
}

/* Reads. */

static void answered(struct conn *c, struct read_result *result, const void *data)
{
	http_read_answer *const *answer = data;

	if (outcome_is_error(result->problem.outcome))
		reply_result_problem(c, result);
	else
		(*answer)(c, result);
}

void http_read(struct conn *c, const struct read_query *q, http_read_answer *answer)
{
	if (!ask_read(c, q, answered, &answer, sizeof(answer)))
		reply_refuse(c, OUTCOME_OVERLOADED,
		             "too many reads are waiting; repeat this in a moment");
}
