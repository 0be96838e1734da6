#include "idempotency.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/core/credential.h"

static const enum key_scope scopes[OP_KIND_COUNT] = {
#define OP(kind, apply, decode, scope, watchers, audited) [OP_##kind] = scope,
#include "joblight/core/ops.def"
#undef OP
};

static bool replay(struct op *op, const struct idempotency_row *row, const uint8_t *fingerprint)
{
	if (memcmp(row->fingerprint, fingerprint, DIGEST_LEN) != 0)
		return problem_set(
		    &op->problem, OUTCOME_IDEMPOTENCY_MISMATCH,
		    "this idempotency key was used for another request; use a new key");
	op->replayed = true;
	op->problem.outcome = (enum outcome)row->outcome;
	op->seq_first = row->seq_first;
	op->seq_last = row->seq_last;
	memcpy(op->epoch, row->epoch, sizeof(op->epoch));
	buf_text(&op->body, row->body);
	return true;
}

bool idempotency_replay(struct engine *e, struct op *op, const char *scope,
                        const uint8_t *fingerprint)
{
	struct idempotency_row row = { 0 };
	enum store_result r = e->store->ops->idempotency_get(e->store, scope, op->key, &row);

	if (store_failed(e, r))
		return true;
	if (r == STORE_NONE)
		return false;
	bool expired = e->keys_expire && row.time + (int64_t)e->limits->idempotency_ms <= e->now;
	if (!expired)
		replay(op, &row, fingerprint);
	free(row.body);
	return !expired;
}

void idempotency_remember(struct engine *e, struct op *op, const char *scope,
                          const uint8_t *fingerprint)
{
	struct idempotency_row row = {
		.time = e->now,
		.outcome = (int32_t)op->problem.outcome,
		.seq_first = op->seq_first,
		.seq_last = op->seq_last,
	};

	snprintf(row.scope, sizeof(row.scope), "%s", scope);
	memcpy(row.key, op->key, sizeof(row.key));
	memcpy(row.fingerprint, fingerprint, DIGEST_LEN);
	memcpy(row.epoch, op->epoch, sizeof(row.epoch));
	row.body = (char *)(uintptr_t)buf_string(&op->body);
	store_failed(e, e->store->ops->idempotency_put(e->store, &row));
}

/* False: it has none, or it is that of its job. */
static bool scope_without_job(const struct op *op, char scope[ID_MAX + 1])
{
	switch (scopes[op->kind]) {
	case SCOPE_SERVER: /* no id begins with @ */
		snprintf(scope, ID_MAX + 1, "%s%s", op->by ? "@" : "",
		         op->by ? op->by->identity : "");
		return true;
	case SCOPE_JOB_ID:
		memcpy(scope, op->job_id, sizeof(op->job_id));
		return true;
	default:
		return false;
	}
}

bool idempotency_scope(struct engine *e, const struct op *op, char scope[ID_MAX + 1])
{
	const struct job_state *job;

	if (scope_without_job(op, scope))
		return true;
	job = scopes[op->kind] == SCOPE_JOB ? working_set_find_job(&e->rows, op->job_id) : NULL;
	if (job)
		job_scope(job->row.key, scope);
	return job;
}

bool idempotency_expect(const struct op *op, struct expected_answer *row)
{
	*row = (struct expected_answer){ .key = op->key };
	if (scopes[op->kind] == SCOPE_JOB)
		row->job = op->job_id;
	return row->job || scope_without_job(op, row->scope);
}
