#include "write.h"

#include "joblight/core/answer.h"
#include "joblight/core/decode.h"
#include "net/loop_private.h"
#include "net/quota.h"
#include "net/request_record.h"
#include "audit.h"
#include "body_type.h"
#include "context.h"
#include "gate.h"
#include "http_store.h"
#include "job_import.h"
#include "router.h"
#include "session.h"
#include "ticket_claim.h"
#include "tokens.h"

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

	http_conditions(r, op);
	traceparent_parse(r->headers[HEADER_TRACEPARENT], op->traceparent);
	if (r->params[0].ptr)
		id_copy(op->job_id, r->params[0]);
	ok = ok && decode(c, r, op, &problem);
	if (ok && op->kind == OP_TASK_PUT) {
		id_copy(op->task_id, r->params[1]);
		op->tasks->id = slice_of(op->task_id);
	}
	ok = ok && gate_admits_op(c, op, &problem) &&
	     (op->kind != OP_JOB_CREATE || tokens_check_new_job(c, r, &problem)) &&
	     quota_takes_updates(c, op_updates(op), &problem);
	if (!ok)
		audit_refusal(c, r, problem.outcome);
	if (ok) {
		http_submit(c, op);
	} else {
		op_free(op);
		reply_problem(c, &problem, "");
	}
	problem_finish(&problem);
}

/* ---- answers ---- */

static void add_location(const struct conn *c, const struct op *op, struct buf *lines)
{
	buf_format(lines, "Location: %s/api/jobs/", api_of(c)->base_path);
	buf_slice(lines, answer_job_id(op));
	buf_text(lines, "\r\n");
}

void write_answered(struct conn *c, struct op *op)
{
	struct buf body = { 0 }, lines = { 0 };

	if (op->kind == OP_JOB_IMPORT) {
		job_import_answered(c, op);
		return;
	}
	if (op->kind == OP_SESSION_END || op->kind == OP_CODE_USE) {
		session_answered(c, op);
		return;
	}
	if (op->kind == OP_TICKET_USE) {
		ticket_claimed(c, op);
		return;
	}
	record_note_op(c, op);
	if (op->replayed)
		buf_text(&lines, "Idempotency-Replayed: true\r\n");
	if (outcome_is_error(op->problem.outcome)) {
		audit_refusal(c, c->request, op->problem.outcome);
		reply_problem(c, &op->problem, buf_string(&lines));
	} else if (op->problem.outcome == OUTCOME_NO_CONTENT) {
		reply_empty(c, op->problem.outcome, buf_string(&lines));
	} else {
		if (op->kind == OP_JOB_CREATE)
			add_location(c, op, &lines);
		answer_encode(&body, op, hub_watchers(c->loop->hub, op->job_id));
		if (op->kind == OP_JOB_CREATE && tokens_add_to_new_job(c, answer_job_id(op), &body))
			buf_text(&lines, "Cache-Control: no-store\r\n");
		reply_json_taken(c, op->problem.outcome, buf_string(&lines), &body);
	}
	buf_finish(&lines);
	buf_finish(&body);
	op_free(op);
}

void write_unanswered(struct loop *l, struct op *op)
{
	if (op->kind == OP_TICKET_USE)
		ticket_claimed_in_vain(l, op);
	op_free(op);
}
