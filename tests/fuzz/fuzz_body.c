/*
 * Bodies of requests, in JSON and as a form, for every operation.
 *
 * covers: src/core/decode*.c src/core/json.c src/core/op.c
 *
 * What is accepted asks for something valid and gives the same fingerprint again; what is refused
 * says what to change, in UTF-8.
 */
#include "fuzz.h"

#include "joblight/core/decode.h"
#include "joblight/core/json.h"

static void check_task(const struct task_change *t)
{
	PROMISE(!t->id.len || id_valid(t->id));
	PROMISE(utf8_valid(t->title) && utf8_valid(t->note));
	if (t->has_status == GIVEN_VALUE)
		PROMISE((unsigned)t->status < TASK_STATUS_COUNT);
	if (t->has_progress == GIVEN_VALUE)
		PROMISE(t->progress >= 0 && t->progress <= 100);
	if (t->has_attempt == GIVEN_VALUE)
		PROMISE(t->attempt >= 0);
}

static void check_json(const struct buf *text)
{
	size_t at;

	if (text->len)
		PROMISE(!json_check(buf_as_slice(text), JSON_DEPTH_MAX, &at));
}

static void check_op(const struct op *op)
{
	PROMISE(!op->job_id[0] || id_valid(slice_of(op->job_id)));
	PROMISE(!op->deliverable_id.len || id_valid(op->deliverable_id));
	PROMISE(utf8_valid(op->title) && utf8_valid(op->url) && utf8_valid(op->media_type));
	check_json(&op->metadata);
	check_json(&op->payload);
	for (size_t i = 0; i < op->task_count; i++)
		check_task(&op->tasks[i]);
}

static void check_problem(const struct problem *p)
{
	struct buf text = { 0 };
	size_t at;

	PROMISE(outcome_is_error(p->outcome));
	problem_encode(p, &text);
	PROMISE(!json_check(buf_as_slice(&text), JSON_DEPTH_MAX, &at));
	buf_finish(&text);
}

/* Whether it was accepted. */
static bool decode(enum op_kind kind, bool form, struct slice body, uint8_t fingerprint[32])
{
	struct op *op = op_create(kind);
	struct problem problem = { 0 };

	if (kind != OP_JOB_CREATE)
		id_copy(op->job_id, SLICE("job"));
	bool ok = form ? decode_form(&limits_default, body, op, &problem)
	               : decode_json(&limits_default, body, op, &problem);
	if (ok) {
		check_op(op);
		op_fingerprint(op, fingerprint);
	} else {
		check_problem(&problem);
	}
	problem_finish(&problem);
	op_free(op);
	return ok;
}

/* The first byte chooses the operation, and the form. */
void fuzz_one(struct slice input)
{
	uint8_t first[32], second[32], choice = fuzz_byte(&input);
	enum op_kind kind = (enum op_kind)(choice % (OP_KIND_COUNT + 1));
	bool form = kind == OP_KIND_COUNT;
	struct slice body = fuzz_copy(input);

	if (form)
		kind = OP_TASK_REPORT;
	if (decode(kind, form, body, first)) {
		PROMISE(decode(kind, form, body, second));
		PROMISE(memcmp(first, second, sizeof(first)) == 0);
	}
	fuzz_free(body);
}
