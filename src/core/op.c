#include "joblight/core/op.h"

#include <stdlib.h>

#include "joblight/base/digest.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/credential.h"

const char *op_audited(enum op_kind kind)
{
	static const char *const names[OP_KIND_COUNT] = {
#define OP(kind, apply, decode, scope, watchers, audited) [OP_##kind] = audited,
#include "joblight/core/ops.def"
#undef OP
	};
	return names[kind];
}

struct op *op_create(enum op_kind kind)
{
	struct op *op = xcalloc(1, sizeof(*op));

	op->kind = kind;
	return op;
}

void op_free(struct op *op)
{
	if (!op)
		return;
	if (op->document)
		op->document_free(op->document);
	free(op->tasks);
	access_key_row_finish(&op->access_key);
	credential_release(op->by);
	buf_finish(&op->metadata);
	buf_finish(&op->payload);
	buf_finish(&op->if_match);
	buf_finish(&op->if_none_match);
	buf_finish(&op->body);
	problem_finish(&op->problem);
	free(op);
}

/* The length comes first, so that different requests cannot have equal texts. */
static void add_text(struct buf *b, enum given given, struct slice text)
{
	buf_format(b, "%d:%zu:", (int)given, given == GIVEN_VALUE ? text.len : 0);
	if (given == GIVEN_VALUE)
		buf_slice(b, text);
}

static void add_task(struct buf *b, const struct task_change *t)
{
	add_text(b, GIVEN_VALUE, t->id);
	add_text(b, t->has_title, t->title);
	add_text(b, t->has_note, t->note);
	buf_format(b, "%d:%d:", (int)t->has_status, t->has_status ? (int)t->status : 0);
	buf_format(b, "%d:%.17g:", (int)t->has_progress,
	           t->has_progress == GIVEN_VALUE ? t->progress : 0.0);
	buf_format(b, "%d:%lld:", (int)t->has_attempt, t->has_attempt ? (long long)t->attempt : 0);
	buf_format(b, "%d:%lld;", (int)t->has_silence,
	           t->has_silence ? (long long)t->silence_ms : 0);
}

void op_fingerprint(const struct op *op, uint8_t out[32])
{
	struct buf b = { 0 };

	buf_format(&b, "%d:%d:", (int)op->kind, (int)op->batch);
	add_text(&b, GIVEN_VALUE, slice_of(op->job_id));
	add_text(&b, op->has_title, op->title);
	add_text(&b, op->has_metadata, buf_as_slice(&op->metadata));
	buf_format(&b, "%d:%d:", (int)op->has_status, op->has_status ? (int)op->status : 0);
	buf_format(&b, "%d:%lld:", (int)op->has_silence,
	           op->has_silence ? (long long)op->silence_ms : 0);
	add_text(&b, GIVEN_VALUE, op->deliverable_id);
	add_text(&b, GIVEN_VALUE, op->url);
	add_text(&b, GIVEN_VALUE, op->media_type);
	add_text(&b, GIVEN_VALUE, op->command);
	add_text(&b, GIVEN_VALUE, buf_as_slice(&op->payload));
	add_text(&b, GIVEN_VALUE, slice_of(op->task_id));
	for (size_t i = 0; i < op->task_count; i++)
		add_task(&b, &op->tasks[i]);
	digest_sha256(buf_as_slice(&b), out);
	buf_finish(&b);
}
