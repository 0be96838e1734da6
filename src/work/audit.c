#include "audit.h"

#include "joblight/base/audit.h"
#include "joblight/core/answer.h"
#include "joblight/core/credential.h"
#include "joblight/core/right.h"

/* What was done to which job. */
struct target {
	struct buf job, command, scope;
	const char *task, *status, *made, *jobs, *revoked;
};

static const char *text_of(const struct buf *b)
{
	return b->len ? b->ptr : NULL;
}

static void add(struct buf *b, struct slice text)
{
	buf_slice(b, text);
	buf_string(b); /* ends it with a NUL */
}

static void describe(const struct op *op, struct target *t)
{
	switch (op->kind) {
	case OP_JOB_CREATE:
		add(&t->job, answer_job_id(op));
		return;
	case OP_KEY_CREATE:
		t->made = op->access_key.id;
		t->jobs = op->access_key.jobs;
		right_describe(&t->scope, (enum right)op->access_key.rights);
		buf_string(&t->scope);
		return;
	case OP_KEY_REVOKE:
		t->revoked = op->access_key.id;
		return;
	default:
		add(&t->job, slice_of(op->job_id));
		add(&t->command, op->command);
		t->task = op->task_id[0] ? op->task_id : NULL;
		t->status = op->has_status ? job_status_text(op->status) : NULL;
	}
}

void audit_op(const struct op *op)
{
	const char *action = op_audited(op->kind);
	struct target t = { 0 };

	if (!action || op->replayed || op->unchanged || outcome_is_error(op->problem.outcome))
		return;
	describe(op, &t);
	audit_event("action", action, "job", text_of(&t.job), "command", text_of(&t.command),
	            "task", t.task, "status", t.status, "made", t.made, "revoked", t.revoked,
	            "scope", text_of(&t.scope), "jobs", t.jobs, CREDENTIAL_PAIRS(op->by), "client",
	            op->client[0] ? op->client : NULL, (char *)0);
	buf_finish(&t.job);
	buf_finish(&t.command);
	buf_finish(&t.scope);
}
