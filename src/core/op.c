#include "joblight/core/op.h"

#include <math.h>
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

/* Decimal, as printf() would write it, which takes much longer. */
static void add_number(struct buf *b, int64_t number, char end)
{
	if (number < 0)
		buf_char(b, '-');
	buf_u64(b, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
	buf_char(b, end);
}

static void add_optional(struct buf *b, enum given given, int64_t number, char end)
{
	add_number(b, given, ':');
	add_number(b, given ? number : 0, end);
}

static void add_progress(struct buf *b, double progress)
{
	if (progress >= 0 && progress <= 100 && !signbit(progress) &&
	    (double)(int)progress >= progress)
		add_number(b, (int)progress, ':');
	else
		buf_format(b, "%.17g:", progress);
}

/* The length comes first, so that different requests cannot have equal texts. */
static void add_text(struct buf *b, enum given given, struct slice text)
{
	size_t len = given == GIVEN_VALUE ? text.len : 0;

	add_number(b, given, ':');
	add_number(b, (int64_t)len, ':');
	buf_add(b, text.ptr, len);
}

static void add_task(struct buf *b, const struct task_change *t)
{
	add_text(b, GIVEN_VALUE, t->id);
	add_text(b, t->has_title, t->title);
	add_text(b, t->has_note, t->note);
	add_optional(b, t->has_status, t->status, ':');
	add_number(b, t->has_progress, ':');
	add_progress(b, t->has_progress == GIVEN_VALUE ? t->progress : 0.0);
	add_optional(b, t->has_attempt, t->attempt, ':');
	add_optional(b, t->has_silence, t->silence_ms, ';');
}

void op_fingerprint(const struct op *op, uint8_t out[32])
{
	struct buf b = { 0 };

	buf_reserve(&b, 512); /* most are shorter */
	add_number(&b, op->kind, ':');
	add_number(&b, op->batch, ':');
	add_text(&b, GIVEN_VALUE, slice_of(op->job_id));
	add_text(&b, op->has_title, op->title);
	add_text(&b, op->has_metadata, buf_as_slice(&op->metadata));
	add_optional(&b, op->has_status, op->status, ':');
	add_optional(&b, op->has_silence, op->silence_ms, ':');
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
