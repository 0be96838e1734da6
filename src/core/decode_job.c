#include "decode_fields.h"

#include <assert.h>
#include <stdio.h>

static bool take_job_id(struct decoder *d, const cJSON *value, void *target)
{
	struct slice id = { 0 };

	if (!decode_id(d, value, &id))
		return false;
	assert(id.ptr);
	memcpy(((struct op *)target)->job_id, id.ptr, id.len + 1);
	return true;
}

static bool take_job_status(struct decoder *d, const cJSON *value, void *target)
{
	struct op *op = target;
	char message[160];

	op->has_status = GIVEN_VALUE;
	if (cJSON_IsString(value) && job_status_parse(slice_of(value->valuestring), &op->status))
		return true;
	snprintf(message, sizeof(message), "must be one of %s", job_status_all());
	return decode_refuse_value(d, value->string, message);
}

static bool take_job_silence(struct decoder *d, const cJSON *value, void *target)
{
	struct op *op = target;

	op->has_silence = GIVEN_VALUE;
	return decode_silence_limit(d, value, &op->silence_ms);
}

static bool take_metadata(struct decoder *d, const cJSON *value, void *target)
{
	struct op *op = target;

	op->has_metadata = GIVEN_VALUE;
	return decode_raw_object(d, value, d->limits->metadata_bytes, &op->metadata);
}

static bool take_job_tasks(struct decoder *d, const cJSON *value, void *target)
{
	(void)target;
	if (!cJSON_IsArray(value))
		return decode_refuse_value(d, value->string, "must be an array of tasks");
	if ((uint64_t)cJSON_GetArraySize(value) > d->limits->tasks_per_job)
		return problem_set(d->problem, OUTCOME_TOO_MANY_TASKS,
		                   "a job holds at most %llu tasks",
		                   (unsigned long long)d->limits->tasks_per_job);
	return decode_job_tasks(d, value);
}

bool decode_new_job(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "id", take_job_id },
		{ "title", decode_op_title },
		{ "status", take_job_status },
		{ "metadata", take_metadata },
		{ "tasks", take_job_tasks },
		{ SILENCE_FIELD, take_job_silence },
		{ 0 },
	};

	if (!decode_object(d, root, fields, d->op))
		return false;
	return d->op->has_title || decode_refuse_value(d, "title", "is missing");
}

bool decode_job_patch(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "title", decode_op_title },
		{ "status", take_job_status },
		{ "metadata", take_metadata },
		{ SILENCE_FIELD, take_job_silence },
		{ 0 },
	};
	const struct op *op = d->op;

	if (!decode_object(d, root, fields, d->op))
		return false;
	if (op->has_title || op->has_status || op->has_metadata || op->has_silence)
		return true;
	return decode_refuse_value(d, "body",
	                           "needs at least one of title, status, metadata, " SILENCE_FIELD);
}
