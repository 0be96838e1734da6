#include "write.h"

#include "joblight/core/decode.h"
#include "net/loop_private.h"
#include "body_type.h"
#include "gate.h"
#include "http_store.h"
#include "router.h"

static bool decode(struct conn *c, const struct request *r, struct op *op, struct problem *problem)
{
	struct slice body = buf_as_slice(&r->body);

	if (r->route->body == BODY_NONE)
		return true;
	return (body_type_is_form(r) ? decode_form : decode_json)(c->loop->limits, body, op,
	                                                          problem);
}

void write_run(struct conn *c, struct request *r)
{
	struct op *op = op_create(r->route->operation);
	struct problem problem = { 0 };
	bool ok = http_idempotency_key(r, op, &problem);

	if (r->params[0].ptr)
		id_copy(op->job_id, r->params[0]);
	ok = ok && decode(c, r, op, &problem);
	if (ok && op->kind == OP_TASK_PUT) {
		id_copy(op->task_id, r->params[1]);
		op->tasks->id = slice_of(op->task_id);
	}
	ok = ok && gate_admits_op(c, op, &problem);
	if (ok) {
		http_submit(c, op);
	} else {
		op_free(op);
		reply_problem(c, &problem, "");
	}
	problem_finish(&problem);
}
