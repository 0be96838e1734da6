#include "decode_fields.h"

static bool take_command_name(struct decoder *d, const cJSON *value, void *target)
{
	struct slice *command = &((struct op *)target)->command;
	const char *text = cJSON_IsString(value) ? value->valuestring : "";

	*command = slice_of(text);
	if (command_name_valid(*command))
		return true;
	return decode_refuse_value(d, value->string, "must be 1 to 64 of a-z 0-9 _ . -");
}

static bool take_args(struct decoder *d, const cJSON *value, void *target)
{
	return decode_raw_object(d, value, d->limits->args_bytes, &((struct op *)target)->payload);
}

bool decode_command(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "command", take_command_name },
		{ "taskId", decode_op_task },
		{ "args", take_args },
		{ 0 },
	};
	struct op *op = d->op;

	if (!decode_object(d, root, fields, op))
		return false;
	if (!op->payload.len)
		buf_text(&op->payload, "{}");
	return op->command.len || decode_refuse_value(d, "command", "is missing");
}
