#include "joblight/core/codec.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/cursor.h"
#include "joblight/core/json.h"

#define ATTEMPT_MAX 9007199254740991.0 /* 2^53 - 1: every JSON reader can hold it */

#define FORM_PAIRS 16 /* more than there are fields */

struct decoder {
	const struct limits *limits;
	struct problem *problem;
	struct slice text;  /* the body, for raw members */
	struct op *op;
	char where[24]; /* "[3]" in front of a field's name in messages */
};

/* One field of a body: how it is called and who takes it into `target`. */
struct field {
	const char *name;
	bool (*take)(struct decoder *d, const cJSON *value, void *target);
};

static bool refuse(struct decoder *d, enum outcome o, const char *field, const char *message)
{
	char name[ID_MAX + 32];

	snprintf(name, sizeof(name), "%s%s%.*s", d->where, d->where[0] && field[0] ? "." : "", ID_MAX, field);
	return problem_field(d->problem, o, name, message);
}

static bool refuse_value(struct decoder *d, const char *field, const char *message)
{
	return refuse(d, OUTCOME_INVALID_FIELD, field, message);
}

/* Fields of tasks and jobs. */

static bool take_id_text(struct decoder *d, const cJSON *value, struct slice *id)
{
	if (cJSON_IsString(value) && id_valid(slice_of(value->valuestring))) {
		*id = slice_of(value->valuestring);
		return true;
	}
	return refuse(d, OUTCOME_INVALID_ID, value->string,
		      "must be 1 to 128 of A-Z a-z 0-9 . _ ~ - and begin with a letter or digit");
}

static bool take_text(struct decoder *d, const cJSON *value, size_t most, struct slice *text)
{
	char message[80];

	if (!cJSON_IsString(value))
		return refuse_value(d, value->string, "must be a string");
	*text = slice_of(value->valuestring);
	if (text->len <= most)
		return true;
	snprintf(message, sizeof(message), "must be at most %zu bytes, is %zu", most, text->len);
	return refuse_value(d, value->string, message);
}

static bool take_title_text(struct decoder *d, const cJSON *value, struct slice *title)
{
	if (!take_text(d, value, d->limits->title_bytes, title))
		return false;
	return title->len || refuse_value(d, value->string, "must not be empty");
}

static bool take_task_id(struct decoder *d, const cJSON *value, void *target)
{
	return take_id_text(d, value, &((struct task_change *)target)->id);
}

static bool take_task_title(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_title = GIVEN_VALUE;
	return take_title_text(d, value, &t->title);
}

static bool take_task_status(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;
	char message[160];

	t->has_status = GIVEN_VALUE;
	if (cJSON_IsString(value) && task_status_parse(slice_of(value->valuestring), &t->status))
		return true;
	snprintf(message, sizeof(message), "must be one of %s", task_status_all());
	return refuse_value(d, value->string, message);
}

static bool take_note(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_note = cJSON_IsNull(value) ? GIVEN_NULL : GIVEN_VALUE;
	return t->has_note == GIVEN_NULL || take_text(d, value, d->limits->note_bytes, &t->note);
}

static bool take_progress(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_progress = cJSON_IsNull(value) ? GIVEN_NULL : GIVEN_VALUE;
	if (t->has_progress == GIVEN_NULL)
		return true;
	t->progress = value->valuedouble;
	if (cJSON_IsNumber(value) && t->progress >= 0 && t->progress <= 100)
		return true;
	return refuse_value(d, value->string, "must be a number from 0 to 100, or null");
}

static bool take_attempt(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;
	double n = value->valuedouble;

	t->has_attempt = GIVEN_VALUE;
	if (!cJSON_IsNumber(value) || !(n >= 0 && n <= ATTEMPT_MAX) || n != floor(n))
		return refuse_value(d, value->string, "must be a whole number from 0 to 9007199254740991");
	t->attempt = (int64_t)n;
	return true;
}

static bool take_job_id(struct decoder *d, const cJSON *value, void *target)
{
	struct slice id = { 0 };

	if (!take_id_text(d, value, &id))
		return false;
	memcpy(((struct op *)target)->job_id, id.ptr, id.len + 1);
	return true;
}

static bool take_job_title(struct decoder *d, const cJSON *value, void *target)
{
	struct op *op = target;

	op->has_title = GIVEN_VALUE;
	return take_title_text(d, value, &op->title);
}

static bool take_job_status(struct decoder *d, const cJSON *value, void *target)
{
	struct op *op = target;
	char message[160];

	op->has_status = GIVEN_VALUE;
	if (cJSON_IsString(value) && job_status_parse(slice_of(value->valuestring), &op->status))
		return true;
	snprintf(message, sizeof(message), "must be one of %s", job_status_all());
	return refuse_value(d, value->string, message);
}

/* Kept as the client wrote it: a tree would round its numbers. */
static bool take_metadata(struct decoder *d, const cJSON *value, void *target)
{
	struct op *op = target;
	struct slice raw;
	char message[80];

	op->has_metadata = GIVEN_VALUE;
	if (cJSON_IsNull(value)) {
		buf_text(&op->metadata, "{}");
		return true;
	}
	if (!cJSON_IsObject(value))
		return refuse_value(d, value->string, "must be an object");
	if (!json_member(d->text, "metadata", &raw))
		return refuse_value(d, value->string, "write this name without escapes");
	json_minify(&op->metadata, raw);
	if (op->metadata.len <= d->limits->metadata_bytes)
		return true;
	snprintf(message, sizeof(message), "must be at most %llu bytes, is %zu",
		 (unsigned long long)d->limits->metadata_bytes, op->metadata.len);
	return refuse_value(d, value->string, message);
}

/* Objects by table. */

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

/* All fields are looked at, so that one answer names every mistake (of the first few). */
static bool take_object(struct decoder *d, const cJSON *object, const struct field *fields, void *target)
{
	bool ok = true;

	if (!cJSON_IsObject(object))
		return refuse_value(d, d->where[0] ? "" : "body", "must be an object");
	for (const cJSON *member = object->child; member && !problem_full(d->problem); member = member->next) {
		const struct field *f = find_field(fields, member->string);
		if (f ? !f->take(d, member, target) : !unknown_field(d, fields, member->string))
			ok = false;
	}
	return ok;
}

static const struct field new_task_fields[] = {
	{ "id", take_task_id },         { "title", take_task_title },       { "status", take_task_status },
	{ "note", take_note },          { "progress", take_progress },      { "attempt", take_attempt },
	{ 0 },
};

static const struct field report_fields[] = {
	{ "taskId", take_task_id },     { "status", take_task_status },     { "note", take_note },
	{ "progress", take_progress },  { "title", take_task_title },       { "attempt", take_attempt },
	{ 0 },
};

static const struct field put_fields[] = {
	{ "status", take_task_status }, { "note", take_note },              { "progress", take_progress },
	{ "title", take_task_title },   { "attempt", take_attempt },        { 0 },
};

static bool take_one_task(struct decoder *d, const cJSON *item, const struct field *fields)
{
	struct op *op = d->op;
	struct task_change *t = &op->tasks[op->task_count];

	if (!take_object(d, item, fields, t))
		return false;
	if (fields == report_fields && !t->id.len)
		return refuse_value(d, "taskId", "is missing");
	if (fields == new_task_fields && !t->id.len && !t->has_title)
		return refuse_value(d, "title", "is missing");
	op->task_count++;
	return true;
}

static bool take_task_array(struct decoder *d, const cJSON *array, const struct field *fields, const char *name)
{
	size_t index = 0;

	d->op->tasks = xcalloc((size_t)cJSON_GetArraySize(array), sizeof(*d->op->tasks));
	for (const cJSON *item = array->child; item; item = item->next, index++) {
		snprintf(d->where, sizeof(d->where), "%s[%zu]", name, index);
		if (!take_one_task(d, item, fields))
			return false;
	}
	d->where[0] = '\0';
	return true;
}

static bool take_job_tasks(struct decoder *d, const cJSON *value, void *target)
{
	(void)target;
	if (!cJSON_IsArray(value))
		return refuse_value(d, value->string, "must be an array of tasks");
	if ((uint64_t)cJSON_GetArraySize(value) > d->limits->tasks_per_job)
		return problem_set(d->problem, OUTCOME_TOO_MANY_TASKS, "a job holds at most %llu tasks",
				   (unsigned long long)d->limits->tasks_per_job);
	return take_task_array(d, value, new_task_fields, "tasks");
}

static bool take_job(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "id", take_job_id },          { "title", take_job_title }, { "status", take_job_status },
		{ "metadata", take_metadata },  { "tasks", take_job_tasks }, { 0 },
	};

	if (!take_object(d, root, fields, d->op))
		return false;
	return d->op->has_title || refuse_value(d, "title", "is missing");
}

static bool take_patch(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "title", take_job_title }, { "status", take_job_status }, { "metadata", take_metadata }, { 0 },
	};
	const struct op *op = d->op;

	if (!take_object(d, root, fields, d->op))
		return false;
	if (op->has_title || op->has_status || op->has_metadata)
		return true;
	return refuse_value(d, "body", "needs at least one of title, status, metadata");
}

static bool take_new_task(struct decoder *d, const cJSON *root)
{
	d->op->tasks = xcalloc(1, sizeof(*d->op->tasks));
	return take_one_task(d, root, new_task_fields);
}

/* The task's id is in the path; the handler sets it behind us. */
static bool take_put(struct decoder *d, const cJSON *root)
{
	d->op->tasks = xcalloc(1, sizeof(*d->op->tasks));
	return take_one_task(d, root, put_fields);
}

static bool take_report(struct decoder *d, const cJSON *root)
{
	uint64_t most = d->limits->batch_items;

	if (!cJSON_IsArray(root)) {
		d->op->tasks = xcalloc(1, sizeof(*d->op->tasks));
		return take_one_task(d, root, report_fields);
	}
	d->op->batch = true;
	if (!root->child)
		return refuse_value(d, "body", "must hold at least one update");
	if ((uint64_t)cJSON_GetArraySize(root) > most)
		return problem_set(d->problem, OUTCOME_INVALID_FIELD, "a batch holds at most %llu updates, this one %d",
				   (unsigned long long)most, cJSON_GetArraySize(root));
	return take_task_array(d, root, report_fields, "");
}

static bool (*const takers[OP_KIND_COUNT])(struct decoder *, const cJSON *) = {
	[OP_JOB_CREATE] = take_job,       [OP_JOB_PATCH] = take_patch,  [OP_TASK_CREATE] = take_new_task,
	[OP_TASK_PUT] = take_put,         [OP_TASK_REPORT] = take_report,
};

/* Duplicate names, anywhere in the tree. */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *duplicate_among(const cJSON *object)
{
	size_t count = (size_t)cJSON_GetArraySize(object), i = 0;
	const char **names = xmalloc(count * sizeof(*names)), *found = NULL;

	for (const cJSON *member = object->child; member; member = member->next)
		names[i++] = member->string;
	qsort(names, count, sizeof(*names), compare_names);
	for (i = 1; i < count && !found; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			found = names[i];
	free(names);
	return found;
}

/* As deep as json_check() let it be. */
static const char *find_duplicate(const cJSON *value)
{
	const char *found = NULL;

	if (cJSON_IsObject(value) && value->child && value->child->next)
		found = duplicate_among(value);
	for (const cJSON *child = value->child; child && !found; child = child->next)
		if (child->child)
			found = find_duplicate(child);
	return found;
}

static void free_tree(void *tree)
{
	cJSON_Delete(tree);
}

static bool decode_tree(struct decoder *d, cJSON *root)
{
	d->op->document = root;
	d->op->document_free = free_tree;
	return takers[d->op->kind](d, root);
}

bool decode_json(const struct limits *limits, struct slice body, struct op *op, struct problem *problem)
{
	struct decoder d = { .limits = limits, .problem = problem, .text = body, .op = op };
	size_t at;
	const char *fault = json_check(body, (unsigned)limits->json_depth, &at);

	if (fault)
		return problem_set(problem, OUTCOME_INVALID_JSON, "not valid JSON: %s (at byte %zu)", fault, at);
	cJSON *root = cJSON_ParseWithLength(body.ptr, body.len);
	if (!root)
		return problem_set(problem, OUTCOME_INVALID_JSON, "not valid JSON");
	const char *twice = find_duplicate(root);
	if (twice) {
		problem_set(problem, OUTCOME_DUPLICATE_KEY, "the name \"%.64s\" is given twice", twice);
		cJSON_Delete(root);
		return false;
	}
	return decode_tree(&d, root);
}

/* Forms. */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* application/x-www-form-urlencoded; false for a broken escape, a NUL or bad UTF-8. */
static bool form_decode(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
			int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (!c)
			return false;
		buf_char(out, c);
	}
	return utf8_valid(buf_as_slice(out));
}

/* What JSON calls a number; anything else stays a string, which the field then refuses. */
static bool is_number(const char *text)
{
	size_t at;

	return (*text == '-' || (*text >= '0' && *text <= '9')) && !json_check(slice_of(text), 1, &at);
}

static void form_add(cJSON *object, const char *name, const char *value)
{
	if ((strcmp(name, "progress") == 0 || strcmp(name, "attempt") == 0) && is_number(value))
		cJSON_AddItemToObject(object, name, cJSON_Parse(value));
	else
		cJSON_AddStringToObject(object, name, value);
}

static bool form_pair(cJSON *object, struct slice pair, struct problem *problem)
{
	const char *equals = memchr(pair.ptr, '=', pair.len);
	size_t name_len = equals ? (size_t)(equals - pair.ptr) : pair.len;
	struct buf name = { 0 }, value = { 0 };
	bool ok = form_decode((struct slice){ pair.ptr, name_len }, &name) &&
		  (!equals || form_decode((struct slice){ equals + 1, pair.len - name_len - 1 }, &value));

	if (!ok)
		problem_set(problem, OUTCOME_BAD_REQUEST, "the form is not valid percent-encoded UTF-8");
	else if (cJSON_GetObjectItemCaseSensitive(object, buf_string(&name)))
		ok = problem_set(problem, OUTCOME_DUPLICATE_KEY, "the field \"%.64s\" is given twice", buf_string(&name));
	else
		form_add(object, buf_string(&name), buf_string(&value));
	buf_finish(&name);
	buf_finish(&value);
	return ok;
}

bool decode_form(const struct limits *limits, struct slice body, struct op *op, struct problem *problem)
{
	struct decoder d = { .limits = limits, .problem = problem, .text = body, .op = op };
	cJSON *object = cJSON_CreateObject();
	bool ok = true;

	for (int pairs = 0; ok && body.len; pairs++) {
		const char *amp = memchr(body.ptr, '&', body.len);
		size_t len = amp ? (size_t)(amp - body.ptr) : body.len;
		if (pairs == FORM_PAIRS)
			ok = problem_set(problem, OUTCOME_BAD_REQUEST, "a form has at most %d fields", FORM_PAIRS);
		else if (len)
			ok = form_pair(object, (struct slice){ body.ptr, len }, problem);
		body.ptr += len + (amp ? 1 : 0);
		body.len -= len + (amp ? 1 : 0);
	}
	if (ok)
		return decode_tree(&d, object);
	cJSON_Delete(object);
	return false;
}

/* Encoding.  Called for every update: appends only, no tree. */

static void add_text_member(struct buf *out, const char *name, const char *text)
{
	if (!text)
		return;
	json_name(out, name);
	json_string(out, slice_of(text));
}

static void add_time_member(struct buf *out, const char *name, int64_t time)
{
	if (!time)
		return;
	json_name(out, name);
	json_time(out, time);
}

static void add_event_start(struct buf *out, const char *type, const char *job_id, uint64_t seq)
{
	buf_text(out, "{\"type\":\"");
	buf_text(out, type);
	buf_text(out, "\",\"jobId\":\"");
	buf_text(out, job_id);
	buf_text(out, "\",\"seq\":");
	buf_u64(out, seq);
}

static void add_task_state(struct buf *out, const struct task_row *t)
{
	buf_text(out, ",\"status\":\"");
	buf_text(out, task_status_text(t->status));
	buf_char(out, '"');
	add_text_member(out, "title", t->title);
	add_text_member(out, "note", t->note);
	if (!isnan(t->progress)) {
		json_name(out, "progress");
		json_number(out, t->progress);
	}
	if (t->attempt >= 0) {
		json_name(out, "attempt");
		buf_u64(out, (uint64_t)t->attempt);
	}
}

void encode_task_update(struct buf *out, const char *job_id, uint64_t seq, int64_t time, const struct task_row *task)
{
	add_event_start(out, "task_update", job_id, seq);
	buf_text(out, ",\"taskId\":\"");
	buf_text(out, task->id);
	buf_char(out, '"');
	add_task_state(out, task);
	add_time_member(out, "timestamp", time);
	buf_char(out, '}');
}

void encode_job_update(struct buf *out, const struct job_row *job, uint64_t seq, int64_t time, unsigned extra,
		       const struct task_row *tasks, size_t task_count)
{
	add_event_start(out, "job_update", job->id, seq);
	add_text_member(out, "status", job_status_text(job->status));
	add_text_member(out, "title", job->title);
	if (extra & JOB_UPDATE_METADATA) {
		json_name(out, "metadata");
		buf_text(out, job->metadata);
	}
	if (extra & JOB_UPDATE_CREATED) {
		buf_text(out, ",\"created\":true,\"tasks\":[");
		for (size_t i = 0; i < task_count; i++) {
			buf_format(out, "%s{\"id\":\"%s\"", i ? "," : "", tasks[i].id);
			add_task_state(out, &tasks[i]);
			buf_char(out, '}');
		}
		buf_char(out, ']');
	}
	add_time_member(out, "timestamp", time);
	buf_char(out, '}');
}

void encode_job_head(struct buf *out, const struct job_row *job)
{
	buf_format(out, "\"id\":\"%s\"", job->id);
	add_text_member(out, "title", job->title);
	add_text_member(out, "status", job_status_text(job->status));
	json_name(out, "metadata");
	buf_text(out, job->metadata);
	add_time_member(out, "createdAt", job->created);
	add_time_member(out, "updatedAt", job->updated);
	add_time_member(out, "endedAt", job->ended);
}

void encode_job_position(struct buf *out, const struct job_row *job)
{
	buf_format(out, ",\"seq\":%llu,\"epoch\":\"%s\",\"cursor\":\"", (unsigned long long)job->seq, job->epoch);
	cursor_add(out, job->epoch, job->seq);
	buf_char(out, '"');
}

void encode_task(struct buf *out, const struct task_row *task)
{
	buf_text(out, "{\"id\":\"");
	buf_text(out, task->id);
	buf_char(out, '"');
	add_task_state(out, task);
	buf_text(out, ",\"position\":");
	buf_u64(out, task->position);
	add_time_member(out, "createdAt", task->created);
	add_time_member(out, "updatedAt", task->updated);
	add_time_member(out, "startedAt", task->started);
	add_time_member(out, "endedAt", task->ended);
	buf_char(out, '}');
}

void encode_deliverable(struct buf *out, const struct deliverable_row *deliverable)
{
	buf_format(out, "{\"id\":\"%s\"", deliverable->id);
	add_text_member(out, "title", deliverable->title);
	add_text_member(out, "url", deliverable->url);
	add_text_member(out, "mediaType", deliverable->media_type);
	add_time_member(out, "createdAt", deliverable->created);
	buf_char(out, '}');
}
