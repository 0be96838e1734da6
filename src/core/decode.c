#include "joblight/core/decode.h"

#include "decode_fields.h"

static decode_fn *const decoders[OP_KIND_COUNT] = {
#define OP(kind, apply, decode, scope, watchers, audited) [OP_##kind] = decode,
#include "joblight/core/ops.def"
#undef OP
};

/* The decoder of operations that have no body. */
bool decode_no_body(struct decoder *d, const cJSON *root)
{
	(void)root;
	return decode_refuse_value(d, "body", "is not expected");
}

static void free_tree(void *tree)
{
	cJSON_Delete(tree);
}

bool decode_tree(const struct limits *limits, struct slice text, cJSON *document,
                 const cJSON *value, struct op *op, struct problem *problem)
{
	struct decoder d = { .limits = limits, .problem = problem, .text = text, .op = op };

	op->document = document;
	op->document_free = free_tree;
	return decoders[op->kind](&d, value);
}

bool decode_json(const struct limits *limits, struct slice body, struct op *op,
                 struct problem *problem)
{
	if (body.len >= 3 && memcmp(body.ptr, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
		body = (struct slice){ body.ptr + 3, body.len - 3 };
	cJSON *root = decode_parse((unsigned)limits->json_depth, body, problem);

	return root && decode_tree(limits, body, root, root, op, problem);
}
