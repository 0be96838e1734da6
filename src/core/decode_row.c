#include "decode_row.h"

#include <stdlib.h>

#include "decode_tree.h"
#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"

#define WHOLE_MAX 9007199254740992.0 /* 2 to the power of 53 */

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* NULL if it is missing or no text. */
static char *text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(member(object, name));
}

/* The whole number of this name, or `missing` if there is none.  False: it is something else. */
static bool whole(const cJSON *object, const char *name, int64_t missing, int64_t *value)
{
	const cJSON *number = member(object, name);

	*value = missing;
	if (!number)
		return true;
	double v = cJSON_IsNumber(number) ? number->valuedouble : -1;
	if (!(v >= 0 && v <= WHOLE_MAX) || v != (double)(int64_t)v)
		return false;
	*value = (int64_t)v;
	return true;
}

/* 0 if it is missing. */
static bool time_of(const cJSON *object, const char *name, int64_t *value)
{
	const cJSON *time = member(object, name);

	*value = 0;
	return !time || (cJSON_IsString(time) && clock_parse(slice_of(time->valuestring), value));
}

static bool id_of(const cJSON *object, const char *name, char out[ID_MAX + 1])
{
	const char *id = text(object, name);

	if (!id || !id_valid(slice_of(id)))
		return false;
	id_copy(out, slice_of(id));
	return true;
}

static bool epoch_of(const cJSON *object, char out[EPOCH_LEN + 1])
{
	const char *epoch = text(object, "epoch");

	if (!epoch || strlen(epoch) != EPOCH_LEN ||
	    strspn(epoch, "0123456789abcdefghjkmnpqrstvwxyz") != EPOCH_LEN)
		return false;
	memcpy(out, epoch, EPOCH_LEN + 1);
	return true;
}

/* ---- rows, with texts that belong to the tree ---- */

static const char *task_state(const cJSON *object, struct task_row *row)
{
	const char *status = text(object, "status");
	const cJSON *progress = member(object, "progress");

	row->title = text(object, "title");
	row->note = text(object, "note");
	row->stalled = cJSON_IsTrue(member(object, "stalled"));
	row->progress = cJSON_IsNumber(progress) ? progress->valuedouble : (double)NAN;
	if (!status || !task_status_parse(slice_of(status), &row->status) || !row->title)
		return "it has no status or title of a task";
	if (!whole(object, "attempt", -1, &row->attempt) ||
	    !whole(object, "heartbeatTimeoutMs", -1, &row->silence_ms))
		return "a number of the task cannot be read";
	return NULL;
}

static const char *deliverable_state(const cJSON *object, struct deliverable_row *row)
{
	row->title = text(object, "title");
	row->url = text(object, "url");
	row->media_type = text(object, "mediaType");
	return NULL;
}

/* ---- events ---- */

static const char *task_update(const cJSON *root, struct event_content *e)
{
	e->tasks = xcalloc(1, sizeof(*e->tasks));
	e->task_count = 1;
	return id_of(root, "taskId", e->tasks->id) ? task_state(root, e->tasks)
	                                           : "it has no taskId";
}

static const char *first_tasks(const cJSON *root, struct event_content *e)
{
	const cJSON *tasks = member(root, "tasks"), *task;
	const char *fault = NULL;

	if (!cJSON_IsArray(tasks))
		return "it creates a job and has no tasks";
	e->tasks = xcalloc((size_t)cJSON_GetArraySize(tasks) + 1, sizeof(*e->tasks));
	cJSON_ArrayForEach(task, tasks)
	{
		struct task_row *row = &e->tasks[e->task_count++];
		if (!fault)
			fault = id_of(task, "id", row->id) ? task_state(task, row)
			                                   : "a task has no id";
	}
	return fault;
}

static const char *job_update(const cJSON *root, struct event_content *e)
{
	const char *status = text(root, "status");

	e->title = text(root, "title");
	e->created = cJSON_IsTrue(member(root, "created"));
	if (!status || !job_status_parse(slice_of(status), &e->status) || !e->title)
		return "it has no status or title of a job";
	if (!whole(root, "heartbeatTimeoutMs", 0, &e->silence_ms))
		return "heartbeatTimeoutMs cannot be read";
	return e->created ? first_tasks(root, e) : NULL;
}

static const char *deliverable_event(const cJSON *root, struct event_content *e)
{
	return id_of(root, "deliverableId", e->deliverable.id)
	           ? deliverable_state(root, &e->deliverable)
	           : "it has no deliverableId";
}

static const char *command_event(const cJSON *root, struct event_content *e)
{
	(void)e;
	return text(root, "command") ? NULL : "it has no command";
}

static const char *content(const cJSON *root, struct slice json, struct event_content *e)
{
	static const char *(*const types[EVENT_LOGGED_COUNT])(const cJSON *,
	                                                      struct event_content *) = {
		[EVENT_TASK_UPDATE] = task_update,
		[EVENT_JOB_UPDATE] = job_update,
		[EVENT_DELIVERABLE] = deliverable_event,
		[EVENT_COMMAND] = command_event,
	};
	const char *type = text(root, "type");
	int64_t seq;

	if (!type || !event_type_parse(slice_of(type), &e->type) || e->type >= EVENT_LOGGED_COUNT)
		return "it is of no type that this joblight logs";
	if (!id_of(root, "jobId", e->job_id) || !whole(root, "seq", 0, &seq) || !seq)
		return "it has no jobId or seq";
	if (!time_of(root, "timestamp", &e->time) || !e->time)
		return "it has no timestamp";
	e->seq = (uint64_t)seq;
	if (e->type == EVENT_JOB_UPDATE)
		json_member(json, "metadata", &e->metadata);
	return types[e->type] ? types[e->type](root, e) : NULL;
}

/* NULL: *fault says what is wrong. */
static cJSON *parse(struct slice json, const char **fault)
{
	struct problem problem = { 0 };
	cJSON *root = decode_parse(JSON_DEPTH_MAX, json, &problem);

	*fault = problem.outcome == OUTCOME_OUT_OF_MEMORY   ? "there is not enough memory"
	         : problem.outcome == OUTCOME_DUPLICATE_KEY ? "it has a name twice"
	         : root                                     ? NULL
	                                                    : "it is not valid JSON in UTF-8";
	problem_finish(&problem);
	if (root && !cJSON_IsObject(root)) {
		*fault = "it is no JSON object";
		cJSON_Delete(root);
		return NULL;
	}
	return root;
}

const char *decode_event(struct slice json, struct event_content *out)
{
	const char *fault;
	cJSON *root = parse(json, &fault);

	*out = (struct event_content){ .document = root };
	return root ? content(root, json, out) : fault;
}

void event_content_finish(struct event_content *e)
{
	free(e->tasks);
	cJSON_Delete(e->document);
	*e = (struct event_content){ 0 };
}

/* ---- lines of an export ---- */

static const char *export_head(const cJSON *root, struct export_head *out)
{
	const char *kind = text(root, "joblight");
	int64_t version, first;

	if (!kind || strcmp(kind, "job") != 0)
		return "this is not the export of a job";
	if (!whole(root, "version", 0, &version) || !whole(root, "first", 0, &first))
		return "its version cannot be read";
	out->version = (uint64_t)version;
	out->first = (uint64_t)first;
	if (!id_of(root, "id", out->id) || !epoch_of(root, out->epoch) || !first)
		return "it has no id, epoch or first";
	return NULL;
}

const char *decode_export_head(struct slice json, struct export_head *out)
{
	const char *fault;
	cJSON *root = parse(json, &fault);

	*out = (struct export_head){ 0 };
	if (root)
		fault = export_head(root, out);
	cJSON_Delete(root);
	return fault;
}

static char *own(const char *borrowed)
{
	return borrowed ? xstrdup(borrowed) : NULL;
}

static const char *task_line(const cJSON *object, struct task_row *row)
{
	const char *fault = task_state(object, row);
	int64_t position;

	if (fault)
		return fault;
	if (!id_of(object, "id", row->id) || !whole(object, "position", 0, &position) ||
	    position > UINT32_MAX)
		return "it has no id or position";
	if (!time_of(object, "createdAt", &row->created) ||
	    !time_of(object, "updatedAt", &row->updated) ||
	    !time_of(object, "startedAt", &row->started) ||
	    !time_of(object, "endedAt", &row->ended))
		return "a time of the task cannot be read";
	row->position = (uint32_t)position;
	row->title = own(row->title);
	row->note = own(row->note);
	return NULL;
}

/* What stays after a fault belongs to the tree, and must not be freed. */
const char *decode_task_line(struct slice json, struct task_row *out)
{
	const char *fault;
	cJSON *root = parse(json, &fault);

	*out = (struct task_row){ 0 };
	if (root)
		fault = task_line(member(root, "task"), out);
	if (fault)
		*out = (struct task_row){ 0 };
	cJSON_Delete(root);
	return fault;
}

static const char *deliverable_line(const cJSON *object, struct deliverable_row *row)
{
	deliverable_state(object, row);
	if (!id_of(object, "id", row->id) || !time_of(object, "createdAt", &row->created))
		return "it has no id or createdAt";
	row->title = own(row->title);
	row->url = own(row->url);
	row->media_type = own(row->media_type);
	return NULL;
}

const char *decode_deliverable_line(struct slice json, struct deliverable_row *out)
{
	const char *fault;
	cJSON *root = parse(json, &fault);

	*out = (struct deliverable_row){ 0 };
	if (root)
		fault = deliverable_line(member(root, "deliverable"), out);
	if (fault)
		*out = (struct deliverable_row){ 0 };
	cJSON_Delete(root);
	return fault;
}

static const char *job_numbers(const cJSON *root, const cJSON *object, struct job_row *row)
{
	int64_t seq, bytes;

	if (!whole(object, "seq", 0, &seq) || !whole(root, "bytes", 0, &bytes) ||
	    !whole(object, "heartbeatTimeoutMs", 0, &row->silence_ms))
		return "a number of the job cannot be read";
	if (!time_of(object, "createdAt", &row->created) ||
	    !time_of(object, "updatedAt", &row->updated) ||
	    !time_of(object, "endedAt", &row->ended))
		return "a time of the job cannot be read";
	row->seq = (uint64_t)seq;
	row->bytes = (uint64_t)bytes;
	return NULL;
}

static const char *job_line(const cJSON *root, struct slice object, struct job_row *row)
{
	const cJSON *job = member(root, "job");
	const char *status = text(job, "status"), *title = text(job, "title"),
	           *creator = text(root, "creator"), *fault = job_numbers(root, job, row);
	struct slice metadata;

	if (fault)
		return fault;
	if (!id_of(job, "id", row->id) || !epoch_of(job, row->epoch))
		return "it has no id or epoch";
	if (!status || !job_status_parse(slice_of(status), &row->status) || !title)
		return "it has no status or title of a job";
	if (!cJSON_IsObject(member(job, "metadata")) || !json_member(object, "metadata", &metadata))
		return "it has no metadata";
	if (creator && strlen(creator) > CREATOR_MAX)
		return "its creator is too long";
	memcpy(row->creator, creator ? creator : "", creator ? strlen(creator) + 1 : 1);
	row->title = xstrdup(title);
	row->metadata = xmemdup(metadata.ptr, metadata.len);
	return NULL;
}

const char *decode_job_line(struct slice json, struct job_row *out, struct slice *object)
{
	const char *fault;
	cJSON *root = parse(json, &fault);

	*out = (struct job_row){ 0 };
	if (root)
		fault = json_member(json, "job", object) ? job_line(root, *object, out)
		                                         : "it has no job";
	cJSON_Delete(root);
	return fault;
}
