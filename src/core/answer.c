#include "joblight/core/answer.h"

#include <stdio.h>

#include "joblight/core/cursor.h"
#include "joblight/core/json.h"

static const bool has_watchers[OP_KIND_COUNT] = {
#define OP(kind, apply, decode, scope, watchers, audited) [OP_##kind] = watchers,
#include "joblight/core/ops.def"
#undef OP
};

/*
 * Appends an object with more members before its closing brace.  An answer that was stored before
 * the release of 0.1.0, in a database of schema version 1 or an early one of version 2, has no
 * closing brace; it is repeated until its key expires.
 */
static void add_object(struct buf *out, struct slice object, const char *members)
{
	if (object.len && object.ptr[object.len - 1] == '}')
		object.len--;
	buf_slice(out, object);
	buf_text(out, members);
	buf_char(out, '}');
}

void answer_encode(struct buf *out, const struct op *op, unsigned watchers)
{
	const char *at = op->body.ptr, *end = at + op->body.len;
	char members[40] = "";

	if (has_watchers[op->kind])
		snprintf(members, sizeof(members), ",\"watchers\":%u", watchers);
	if (op->batch)
		buf_char(out, '[');
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		add_object(out, (struct slice){ at, (size_t)(newline - at) }, members);
		at = newline + 1;
		if (at < end)
			buf_char(out, ',');
	}
	if (op->batch)
		buf_char(out, ']');
}

void answer_encode_ack(struct buf *out, const struct op *op, unsigned watchers)
{
	buf_text(out, "{\"type\":\"ack\",\"id\":");
	json_string(out, slice_of(op->key));
	buf_text(out, ",\"seq\":");
	buf_u64(out, op->seq_last);
	buf_text(out, ",\"cursor\":\"");
	cursor_add(out, op->epoch, op->seq_last);
	buf_text(out, "\",\"watchers\":");
	buf_u64(out, watchers);
	buf_text(out, op->replayed ? ",\"duplicate\":true}" : "}");
}

/* A created job's body begins with {"id":"…", whether it is new or stored. */
struct slice answer_job_id(const struct op *op)
{
	const char *id = op->body.ptr + strlen("{\"id\":\"");

	return (struct slice){ id, strcspn(id, "\"") };
}
