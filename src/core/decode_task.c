#include "decode_fields.h"

#include <stdio.h>

#include "joblight/base/xalloc.h"

#define ATTEMPT_MAX 9007199254740991.0 /* 2^53 - 1: every JSON reader can hold it */

static bool take_task_id(struct decoder *d, const cJSON *value, void *target)
{
	return decode_id(d, value, &((struct task_change *)target)->id);
}

static bool take_task_title(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_title = GIVEN_VALUE;
	return decode_title(d, value, &t->title);
}

static bool take_task_status(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;
	char message[160];

	t->has_status = GIVEN_VALUE;
	if (cJSON_IsString(value) && task_status_parse(slice_of(value->valuestring), &t->status))
		return true;
	snprintf(message, sizeof(message), "must be one of %s", task_status_all());
	return decode_refuse_value(d, value->string, message);
}

static bool take_note(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_note = cJSON_IsNull(value) ? GIVEN_NULL : GIVEN_VALUE;
	return t->has_note == GIVEN_NULL || decode_text(d, value, d->limits->note_bytes, &t->note);
}

static bool take_progress(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_progress = cJSON_IsNull(value) ? GIVEN_NULL : GIVEN_VALUE;
	if (t->has_progress == GIVEN_NULL)
		return true;
	t->progress = value->valuedouble;
	if (cJSON_IsNumber(value) && t->progress >= 0 && t->progress <= 100) {
		if (!isnormal(t->progress)) /* subnormal: many parsers cannot read it */
			t->progress = 0;
		return true;
	}
	return decode_refuse_value(d, value->string, "must be a number from 0 to 100, or null");
}

static bool take_attempt(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_attempt = GIVEN_VALUE;
	if (!decode_is_whole(value, ATTEMPT_MAX))
		return decode_refuse_value(d, value->string,
		                           "must be a whole number from 0 to 9007199254740991");
	t->attempt = (int64_t)value->valuedouble;
	return true;
}

static bool take_task_silence(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_silence = GIVEN_VALUE;
	return decode_silence_limit(d, value, &t->silence_ms);
}

static const struct field new_task_fields[] = {
	{ "id", take_task_id },
	{ "title", take_task_title },
	{ "status", take_task_status },
	{ "note", take_note },
	{ "progress", take_progress },
	{ "attempt", take_attempt },
	{ SILENCE_FIELD, take_task_silence },
	{ 0 },
};

static const struct field report_fields[] = {
	{ "taskId", take_task_id },
	{ "status", take_task_status },
	{ "note", take_note },
	{ "progress", take_progress },
	{ "title", take_task_title },
	{ "attempt", take_attempt },
	{ SILENCE_FIELD, take_task_silence },
	{ 0 },
};

/* The same fields without the first one (the id), because the path has the id of the task. */
static const struct field *const put_fields = report_fields + 1;

static bool take_one_task(struct decoder *d, const cJSON *item, const struct field *fields)
{
	struct op *op = d->op;
	struct task_change *t = &op->tasks[op->task_count];

	if (!decode_object(d, item, fields, t))
		return false;
	if (fields == report_fields && !t->id.len)
		return decode_refuse_value(d, "taskId", "is missing");
	if (fields == new_task_fields && !t->id.len && !t->has_title)
		return decode_refuse_value(d, "title", "is missing");
	op->task_count++;
	return true;
}

static bool decode_tasks(struct decoder *d, const cJSON *array, const struct field *fields,
                         const char *name)
{
	size_t index = 0;
	bool ok = true;

	d->op->tasks = xcalloc((size_t)cJSON_GetArraySize(array), sizeof(*d->op->tasks));
	for (const cJSON *item = array->child; item && ok; item = item->next, index++) {
		snprintf(d->where, sizeof(d->where), "%s[%zu]", name, index);
		ok = take_one_task(d, item, fields);
	}
	d->where[0] = '\0';
	return ok;
}

bool decode_job_tasks(struct decoder *d, const cJSON *array)
{
	return decode_tasks(d, array, new_task_fields, "tasks");
}

bool decode_new_task(struct decoder *d, const cJSON *root)
{
	d->op->tasks = xcalloc(1, sizeof(*d->op->tasks));
	return take_one_task(d, root, new_task_fields);
}

/* The task's id is in the path, and the handler sets it afterwards. */
bool decode_task_put(struct decoder *d, const cJSON *root)
{
	d->op->tasks = xcalloc(1, sizeof(*d->op->tasks));
	return take_one_task(d, root, put_fields);
}

bool decode_task_report(struct decoder *d, const cJSON *root)
{
	uint64_t max = d->limits->batch_items;

	if (!cJSON_IsArray(root)) {
		d->op->tasks = xcalloc(1, sizeof(*d->op->tasks));
		return take_one_task(d, root, report_fields);
	}
	d->op->batch = true;
	if (!root->child)
		return decode_refuse_value(d, "body", "must hold at least one update");
	if ((uint64_t)cJSON_GetArraySize(root) > max)
		return problem_set(d->problem, OUTCOME_INVALID_FIELD,
		                   "a batch holds at most %llu updates, this one %d",
		                   (unsigned long long)max, cJSON_GetArraySize(root));
	return decode_tasks(d, root, report_fields, "");
}
