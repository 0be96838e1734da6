#include "decode_fields.h"

#include <assert.h>
#include <stdio.h>

#include "joblight/core/json.h"

#define SILENCE_MAX_MS 86400000 /* a day; a task with longer pauses needs no limit */

static bool refuse(struct decoder *d, enum outcome o, const char *field, const char *message)
{
	char name[ID_MAX + 32];

	snprintf(name, sizeof(name), "%s%s%.*s", d->where, d->where[0] && field[0] ? "." : "",
	         ID_MAX, field);
	return problem_field(d->problem, o, name, message);
}

bool decode_refuse_value(struct decoder *d, const char *field, const char *message)
{
	return refuse(d, OUTCOME_INVALID_FIELD, field, message);
}

/* Values. */

bool decode_is_whole(const cJSON *value, double max)
{
	return cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble <= max &&
	       value->valuedouble == floor(value->valuedouble);
}

bool decode_id(struct decoder *d, const cJSON *value, struct slice *id)
{
	if (cJSON_IsString(value) && id_valid(slice_of(value->valuestring))) {
		*id = slice_of(value->valuestring);
		return true;
	}
	return refuse(d, OUTCOME_INVALID_ID, value->string,
	              "must be 1 to 128 of A-Z a-z 0-9 . _ ~ - and begin with a letter or digit");
}

bool decode_text(struct decoder *d, const cJSON *value, size_t max, struct slice *text)
{
	char message[80];

	if (!cJSON_IsString(value))
		return decode_refuse_value(d, value->string, "must be a string");
	*text = slice_of(value->valuestring);
	if (text->len <= max)
		return true;
	snprintf(message, sizeof(message), "must be at most %zu bytes, is %zu", max, text->len);
	return decode_refuse_value(d, value->string, message);
}

bool decode_title(struct decoder *d, const cJSON *value, struct slice *title)
{
	if (!decode_text(d, value, d->limits->title_bytes, title))
		return false;
	return !utf8_blank(*title) ||
	       decode_refuse_value(d, value->string, "must not be empty or blank");
}

bool decode_rights(struct decoder *d, const cJSON *value, enum right *rights)
{
	const cJSON *item;
	enum right right;
	char message[96];

	snprintf(message, sizeof(message), "must be an array of %s", right_names());
	if (!cJSON_IsArray(value) || !value->child)
		return decode_refuse_value(d, value->string, message);
	*rights = RIGHT_NONE;
	cJSON_ArrayForEach(item, value)
	{
		if (!cJSON_IsString(item) || !right_parse(slice_of(item->valuestring), &right))
			return decode_refuse_value(d, value->string, message);
		*rights |= right;
	}
	return true;
}

bool decode_silence_limit(struct decoder *d, const cJSON *value, int64_t *silence_ms)
{
	int64_t min = (int64_t)d->limits->min_silence_ms;
	char message[96];

	*silence_ms = 0;
	if (cJSON_IsNull(value))
		return true;
	*silence_ms = decode_is_whole(value, SILENCE_MAX_MS) ? (int64_t)value->valuedouble : -1;
	if (*silence_ms == 0 || *silence_ms >= min)
		return true;
	snprintf(message, sizeof(message),
	         "must be 0, which is off, or a whole number from %lld to %d", (long long)min,
	         SILENCE_MAX_MS);
	return decode_refuse_value(d, value->string, message);
}

/* Whether the value holds a number, at any depth, that exceeds a double: most readers could not
 * represent it. */
static bool overflows(const cJSON *value)
{
	if (cJSON_IsNumber(value))
		return isinf(value->valuedouble);
	for (const cJSON *item = value->child; item; item = item->next)
		if (overflows(item))
			return true;
	return false;
}

bool decode_raw_object(struct decoder *d, const cJSON *value, uint64_t max, struct buf *out)
{
	struct slice raw;
	char message[80];

	if (cJSON_IsNull(value)) {
		buf_text(out, "{}");
		return true;
	}
	if (!cJSON_IsObject(value))
		return decode_refuse_value(d, value->string, "must be an object");
	if (overflows(value))
		return decode_refuse_value(d, value->string, "holds a number that is too large");
	if (!json_member(d->text, value->string, &raw))
		return decode_refuse_value(d, value->string, "write this name without escapes");
	json_minify(out, raw);
	if (out->len <= max)
		return true;
	snprintf(message, sizeof(message), "must be at most %llu bytes, is %zu",
	         (unsigned long long)max, out->len);
	return decode_refuse_value(d, value->string, message);
}

bool decode_op_task(struct decoder *d, const cJSON *value, void *target)
{
	struct slice id = { 0 };

	if (!decode_id(d, value, &id))
		return false;
	assert(id.ptr);
	memcpy(((struct op *)target)->task_id, id.ptr, id.len + 1);
	return true;
}

bool decode_op_title(struct decoder *d, const cJSON *value, void *target)
{
	struct op *op = target;

	op->has_title = GIVEN_VALUE;
	return decode_title(d, value, &op->title);
}

/* Objects. */

static const struct field *find_field(const struct field *fields, const char *name)
{
	for (; fields->name; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

static bool unknown_field(struct decoder *d, const struct field *fields, const char *name)
{
	struct buf message = { 0 };

	buf_text(&message, "is not known here; known are");
	for (const struct field *f = fields; f->name; f++)
		buf_format(&message, "%s %s", f == fields ? "" : ",", f->name);
	refuse(d, OUTCOME_UNKNOWN_FIELD, name, buf_string(&message));
	buf_finish(&message);
	return false;
}

bool decode_object(struct decoder *d, const cJSON *object, const struct field *fields, void *target)
{
	bool ok = true;

	if (!cJSON_IsObject(object))
		return decode_refuse_value(d, d->where[0] ? "" : "body", "must be an object");
	for (const cJSON *member = object->child; member && !problem_full(d->problem);
	     member = member->next) {
		const struct field *f = find_field(fields, member->string);
		if (f ? !f->take(d, member, target) : !unknown_field(d, fields, member->string))
			ok = false;
	}
	return ok;
}
