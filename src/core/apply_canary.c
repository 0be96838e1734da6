#include "apply.h"
#include "joblight/core/canary.h"

_Static_assert(sizeof(CANARY_EPOCH) == EPOCH_LEN + 1, "it is an epoch");

/* The row replaces the one of the last canary, and is pruned with old answers. */
static bool put_row(struct engine *e, const struct op *op)
{
	struct idempotency_row row = {
		.scope = CANARY_JOB,
		.key = CANARY_JOB,
		.time = e->now,
		.outcome = OUTCOME_NO_CONTENT,
		.seq_first = op->canary,
		.seq_last = op->canary,
		.body = "",
	};

	return !store_failed(e, e->store->ops->idempotency_put(e->store, &row));
}

bool apply_canary(struct engine *e, struct op *op)
{
	struct event *event = batch_add(e->batch);

	memcpy(event->job_id, CANARY_JOB, sizeof(CANARY_JOB));
	memcpy(event->epoch, CANARY_EPOCH, sizeof(CANARY_EPOCH));
	event->seq = op->canary;
	event->type = EVENT_JOB_UPDATE;
	event->json_at = e->batch->text.len;
	event->json_len = 2;
	buf_text(&e->batch->text, "{}");
	op->problem.outcome = OUTCOME_NO_CONTENT;
	return put_row(e, op);
}
