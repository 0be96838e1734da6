#include "joblight/core/decode.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "decode_tree.h"

#define ATTEMPT_MAX 9007199254740991.0 /* 2^53 - 1: every JSON reader can hold it */

#define HEARTBEAT_TIMEOUT_MOST_MS                                                                  \
	86400000 /* a day; who is silent for longer by plan asks for none */
#define HEARTBEAT_TIMEOUT "heartbeatTimeoutMs"
#define URL_MOST 2048
#define MEDIA_TYPE_MOST 127 /* of each half, RFC 6838; more than enough for both */
#define COMMAND_MOST 64

#define FORM_PAIRS 16 /* more than there are fields */

struct decoder {
	const struct limits *limits;
	struct problem *problem;
	struct slice text; /* the body, for raw members */
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

	snprintf(name, sizeof(name), "%s%s%.*s", d->where, d->where[0] && field[0] ? "." : "",
	         ID_MAX, field);
	return problem_field(d->problem, o, name, message);
}

static bool refuse_value(struct decoder *d, const char *field, const char *message)
{
	return refuse(d, OUTCOME_INVALID_FIELD, field, message);
}

/* Fields of tasks and jobs. */

static bool whole_number(const cJSON *value, double most)
{
	return cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble <= most &&
	       value->valuedouble == floor(value->valuedouble);
}

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
	return !utf8_blank(*title) || refuse_value(d, value->string, "must not be empty or blank");
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
	if (cJSON_IsNumber(value) && t->progress >= 0 && t->progress <= 100) {
		if (!isnormal(t->progress)) /* smaller than many parsers can read */
			t->progress = 0;
		return true;
	}
	return refuse_value(d, value->string, "must be a number from 0 to 100, or null");
}

static bool take_attempt(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_attempt = GIVEN_VALUE;
	if (!whole_number(value, ATTEMPT_MAX))
		return refuse_value(d, value->string,
		                    "must be a whole number from 0 to 9007199254740991");
	t->attempt = (int64_t)value->valuedouble;
	return true;
}

/* How long silence may last; null and 0 switch it off. */
static bool take_heartbeat(struct decoder *d, const cJSON *value, int64_t *heartbeat_ms)
{
	int64_t least = (int64_t)d->limits->least_heartbeat_timeout_ms;
	char message[96];

	*heartbeat_ms = 0;
	if (cJSON_IsNull(value))
		return true;
	*heartbeat_ms = whole_number(value, HEARTBEAT_TIMEOUT_MOST_MS) ? (int64_t)value->valuedouble
	                                                               : -1;
	if (*heartbeat_ms == 0 || *heartbeat_ms >= least)
		return true;
	snprintf(message, sizeof(message),
	         "must be 0, which is off, or a whole number from %lld to %d", (long long)least,
	         HEARTBEAT_TIMEOUT_MOST_MS);
	return refuse_value(d, value->string, message);
}

static bool take_task_heartbeat(struct decoder *d, const cJSON *value, void *target)
{
	struct task_change *t = target;

	t->has_heartbeat = GIVEN_VALUE;
	return take_heartbeat(d, value, &t->heartbeat_ms);
}

static bool take_job_id(struct decoder *d, const cJSON *value, void *target)
{
	struct slice id = { 0 };

	if (!take_id_text(d, value, &id))
		return false;
	assert(id.ptr);
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

static bool take_job_heartbeat(struct decoder *d, const cJSON *value, void *target)
{
	struct op *op = target;

	op->has_heartbeat = GIVEN_VALUE;
	return take_heartbeat(d, value, &op->heartbeat_ms);
}

/* Whether a number in it, at any depth, is more than a double holds: most readers have no way to
 * show it. */
static bool overflows(const cJSON *value)
{
	if (cJSON_IsNumber(value))
		return isinf(value->valuedouble);
	for (const cJSON *item = value->child; item; item = item->next)
		if (overflows(item))
			return true;
	return false;
}

/* Kept as the client wrote it: a tree would round its numbers. */
static bool take_raw_object(struct decoder *d, const cJSON *value, uint64_t most, struct buf *out)
{
	struct slice raw;
	char message[80];

	if (cJSON_IsNull(value)) {
		buf_text(out, "{}");
		return true;
	}
	if (!cJSON_IsObject(value))
		return refuse_value(d, value->string, "must be an object");
	if (overflows(value))
		return refuse_value(d, value->string, "holds a number that is too large");
	if (!json_member(d->text, value->string, &raw))
		return refuse_value(d, value->string, "write this name without escapes");
	json_minify(out, raw);
	if (out->len <= most)
		return true;
	snprintf(message, sizeof(message), "must be at most %llu bytes, is %zu",
	         (unsigned long long)most, out->len);
	return refuse_value(d, value->string, message);
}

static bool take_metadata(struct decoder *d, const cJSON *value, void *target)
{
	struct op *op = target;

	op->has_metadata = GIVEN_VALUE;
	return take_raw_object(d, value, d->limits->metadata_bytes, &op->metadata);
}

/* Fields of deliverables. */

static bool take_deliverable_id(struct decoder *d, const cJSON *value, void *target)
{
	return take_id_text(d, value, &((struct op *)target)->deliverable_id);
}

/* ASCII's, and those that UTF-8 writes as C2 80 .. C2 9F. */
static bool has_control_characters(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i],
		              before = i ? (unsigned char)text.ptr[i - 1] : 0;
		if (c < 0x20 || c == 0x7f || (before == 0xc2 && c < 0xa0))
			return true;
	}
	return false;
}

/*
 * Pages make links of it: no scheme that runs code, and a path stays on this server.  Browsers take
 * a backslash for a slash, so it must not be the second character either.
 */
static bool is_link(struct slice url)
{
	static const char *const schemes[] = { "http:", "https:" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i]);
		if (url.len > len && strncasecmp(url.ptr, schemes[i], len) == 0)
			return true;
	}
	return url.len && url.ptr[0] == '/' &&
	       !(url.len > 1 && (url.ptr[1] == '/' || url.ptr[1] == '\\'));
}

static bool take_url(struct decoder *d, const cJSON *value, void *target)
{
	struct slice *url = &((struct op *)target)->url;

	if (!take_text(d, value, URL_MOST, url))
		return false;
	if (is_link(*url) && !has_control_characters(*url))
		return true;
	return refuse_value(d, value->string,
	                    "must be an http: or https: URL or a path that begins with one slash, "
	                    "without control characters");
}

/* The characters of a token, RFC 9110 section 5.6.2. */
static size_t token_length(const char *text)
{
	return strspn(
	    text, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

static bool is_media_type(const char *text)
{
	size_t type = token_length(text);

	if (!type || text[type] != '/')
		return false;
	size_t subtype = token_length(text + type + 1);
	return subtype && !text[type + 1 + subtype];
}

static bool take_media_type(struct decoder *d, const cJSON *value, void *target)
{
	struct slice *type = &((struct op *)target)->media_type;

	if (!take_text(d, value, MEDIA_TYPE_MOST, type))
		return false;
	return is_media_type(type->ptr) ||
	       refuse_value(d, value->string,
	                    "must be a type and a subtype, such as application/pdf");
}

/* Fields of commands. */

static bool take_command_name(struct decoder *d, const cJSON *value, void *target)
{
	struct slice *command = &((struct op *)target)->command;
	const char *text = cJSON_IsString(value) ? value->valuestring : "";

	*command = slice_of(text);
	if (command->len && command->len <= COMMAND_MOST &&
	    strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == command->len)
		return true;
	return refuse_value(d, value->string, "must be 1 to 64 of a-z 0-9 _ . -");
}

static bool take_command_task(struct decoder *d, const cJSON *value, void *target)
{
	struct slice id = { 0 };

	if (!take_id_text(d, value, &id))
		return false;
	assert(id.ptr);
	memcpy(((struct op *)target)->task_id, id.ptr, id.len + 1);
	return true;
}

static bool take_args(struct decoder *d, const cJSON *value, void *target)
{
	return take_raw_object(d, value, d->limits->args_bytes, &((struct op *)target)->args);
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
static bool take_object(struct decoder *d, const cJSON *object, const struct field *fields,
                        void *target)
{
	bool ok = true;

	if (!cJSON_IsObject(object))
		return refuse_value(d, d->where[0] ? "" : "body", "must be an object");
	for (const cJSON *member = object->child; member && !problem_full(d->problem);
	     member = member->next) {
		const struct field *f = find_field(fields, member->string);
		if (f ? !f->take(d, member, target) : !unknown_field(d, fields, member->string))
			ok = false;
	}
	return ok;
}

static const struct field new_task_fields[] = {
	{ "id", take_task_id },
	{ "title", take_task_title },
	{ "status", take_task_status },
	{ "note", take_note },
	{ "progress", take_progress },
	{ "attempt", take_attempt },
	{ HEARTBEAT_TIMEOUT, take_task_heartbeat },
	{ 0 },
};

static const struct field report_fields[] = {
	{ "taskId", take_task_id },
	{ "status", take_task_status },
	{ "note", take_note },
	{ "progress", take_progress },
	{ "title", take_task_title },
	{ "attempt", take_attempt },
	{ HEARTBEAT_TIMEOUT, take_task_heartbeat },
	{ 0 },
};

static const struct field put_fields[] = {
	{ "status", take_task_status },
	{ "note", take_note },
	{ "progress", take_progress },
	{ "title", take_task_title },
	{ "attempt", take_attempt },
	{ HEARTBEAT_TIMEOUT, take_task_heartbeat },
	{ 0 },
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

static bool take_task_array(struct decoder *d, const cJSON *array, const struct field *fields,
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

static bool take_job_tasks(struct decoder *d, const cJSON *value, void *target)
{
	(void)target;
	if (!cJSON_IsArray(value))
		return refuse_value(d, value->string, "must be an array of tasks");
	if ((uint64_t)cJSON_GetArraySize(value) > d->limits->tasks_per_job)
		return problem_set(d->problem, OUTCOME_TOO_MANY_TASKS,
		                   "a job holds at most %llu tasks",
		                   (unsigned long long)d->limits->tasks_per_job);
	return take_task_array(d, value, new_task_fields, "tasks");
}

static bool take_job(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "id", take_job_id },
		{ "title", take_job_title },
		{ "status", take_job_status },
		{ "metadata", take_metadata },
		{ "tasks", take_job_tasks },
		{ HEARTBEAT_TIMEOUT, take_job_heartbeat },
		{ 0 },
	};

	if (!take_object(d, root, fields, d->op))
		return false;
	return d->op->has_title || refuse_value(d, "title", "is missing");
}

static bool take_patch(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "title", take_job_title },
		{ "status", take_job_status },
		{ "metadata", take_metadata },
		{ HEARTBEAT_TIMEOUT, take_job_heartbeat },
		{ 0 },
	};
	const struct op *op = d->op;

	if (!take_object(d, root, fields, d->op))
		return false;
	if (op->has_title || op->has_status || op->has_metadata || op->has_heartbeat)
		return true;
	return refuse_value(d, "body",
	                    "needs at least one of title, status, metadata, " HEARTBEAT_TIMEOUT);
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
		return problem_set(d->problem, OUTCOME_INVALID_FIELD,
		                   "a batch holds at most %llu updates, this one %d",
		                   (unsigned long long)most, cJSON_GetArraySize(root));
	return take_task_array(d, root, report_fields, "");
}

static bool take_deliverable(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "id", take_deliverable_id },
		{ "title", take_job_title },
		{ "url", take_url },
		{ "mediaType", take_media_type },
		{ 0 },
	};

	if (!take_object(d, root, fields, d->op))
		return false;
	return d->op->has_title || refuse_value(d, "title", "is missing");
}

static bool take_command(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "command", take_command_name },
		{ "taskId", take_command_task },
		{ "args", take_args },
		{ 0 },
	};
	struct op *op = d->op;

	if (!take_object(d, root, fields, op))
		return false;
	if (!op->args.len)
		buf_text(&op->args, "{}");
	return op->command.len || refuse_value(d, "command", "is missing");
}

static bool (*const takers[OP_KIND_COUNT])(struct decoder *, const cJSON *) = {
	[OP_JOB_CREATE] = take_job,       [OP_JOB_PATCH] = take_patch,
	[OP_TASK_CREATE] = take_new_task, [OP_TASK_PUT] = take_put,
	[OP_TASK_REPORT] = take_report,   [OP_DELIVERABLE] = take_deliverable,
	[OP_COMMAND] = take_command,
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

bool decode_tree(const struct limits *limits, struct slice text, cJSON *document,
                 const cJSON *value, struct op *op, struct problem *problem)
{
	struct decoder d = { .limits = limits, .problem = problem, .text = text, .op = op };

	op->document = document;
	op->document_free = free_tree;
	return takers[op->kind](&d, value);
}

/* Before main(), because cJSON has one allocator for all threads. */
__attribute__((constructor)) static void give_cjson_memory(void)
{
	cJSON_Hooks hooks = { may_malloc, free };

	cJSON_InitHooks(&hooks);
}

static bool refuse_without_memory(struct problem *problem)
{
	return problem_set(problem, OUTCOME_OUT_OF_MEMORY,
	                   "the server is out of memory; come back in a moment");
}

cJSON *decode_parse(const struct limits *limits, struct slice text, struct problem *problem)
{
	size_t at;
	const char *fault = json_check(text, (unsigned)limits->json_depth, &at);

	may_malloc_has_failed();
	cJSON *root = fault ? NULL : cJSON_ParseWithLength(text.ptr, text.len);
	if (!root && may_malloc_has_failed()) {
		refuse_without_memory(problem);
		return NULL;
	}
	if (!root) {
		problem_set(problem, OUTCOME_INVALID_JSON, "not valid JSON: %s (at byte %zu)",
		            fault ? fault : "too large", fault ? at : text.len);
		return NULL;
	}
	const char *twice = find_duplicate(root);
	if (!twice)
		return root;
	problem_set(problem, OUTCOME_DUPLICATE_KEY, "the name \"%.64s\" is given twice", twice);
	cJSON_Delete(root);
	return NULL;
}

bool decode_json(const struct limits *limits, struct slice body, struct op *op,
                 struct problem *problem)
{
	if (body.len >= 3 && memcmp(body.ptr, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
		body = (struct slice){ body.ptr + 3, body.len - 3 };
	cJSON *root = decode_parse(limits, body, problem);

	return root && decode_tree(limits, body, root, root, op, problem);
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

	return (*text == '-' || (*text >= '0' && *text <= '9')) &&
	       !json_check(slice_of(text), 1, &at);
}

static bool takes_number(const char *name)
{
	return strcmp(name, "progress") == 0 || strcmp(name, "attempt") == 0 ||
	       strcmp(name, HEARTBEAT_TIMEOUT) == 0;
}

static void form_add(cJSON *object, const char *name, const char *value)
{
	if (takes_number(name) && is_number(value))
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
	          (!equals ||
	           form_decode((struct slice){ equals + 1, pair.len - name_len - 1 }, &value));

	if (!ok)
		problem_set(problem, OUTCOME_BAD_REQUEST,
		            "the form is not valid percent-encoded UTF-8");
	else if (cJSON_GetObjectItemCaseSensitive(object, buf_string(&name)))
		ok = problem_set(problem, OUTCOME_DUPLICATE_KEY,
		                 "the field \"%.64s\" is given twice", buf_string(&name));
	else
		form_add(object, buf_string(&name), buf_string(&value));
	buf_finish(&name);
	buf_finish(&value);
	return ok;
}

/* What curl -d and some libraries send when nobody told them the type. */
static bool looks_like_json(struct slice body)
{
	while (body.len && strchr(" \t\r\n", *body.ptr)) {
		body.ptr++;
		body.len--;
	}
	return body.len && (*body.ptr == '{' || *body.ptr == '[');
}

bool decode_form(const struct limits *limits, struct slice body, struct op *op,
                 struct problem *problem)
{
	bool ok = true;

	if (looks_like_json(body))
		return problem_field(
		    problem, OUTCOME_INVALID_FIELD, "Content-Type",
		    "must be application/json, because the body is JSON and not a form");
	may_malloc_has_failed();
	cJSON *object = cJSON_CreateObject();
	for (int pairs = 0; ok && body.len; pairs++) {
		const char *amp = memchr(body.ptr, '&', body.len);
		size_t len = amp ? (size_t)(amp - body.ptr) : body.len;
		if (pairs == FORM_PAIRS)
			ok = problem_set(problem, OUTCOME_BAD_REQUEST,
			                 "a form has at most %d fields", FORM_PAIRS);
		else if (len)
			ok = form_pair(object, (struct slice){ body.ptr, len }, problem);
		body.ptr += len + (amp ? 1 : 0);
		body.len -= len + (amp ? 1 : 0);
	}
	if (may_malloc_has_failed()) /* a field that found no room must not pass for one that was
	                                not sent */
		ok = refuse_without_memory(problem);
	if (ok)
		return decode_tree(limits, body, object, object, op, problem);
	cJSON_Delete(object);
	return false;
}
