#include "model.h"

#include <cjson/cJSON.h>

#include "fuzz.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/query.h"

struct logged {
	char *json;
	size_t len;
};

struct model_job {
	struct model_job *next;
	char id[ID_MAX + 1], epoch[EPOCH_LEN + 1];
	struct logged *events; /* 1 … count; those that were pruned too */
	size_t count;
	cJSON *state; /* the fold of the events */
};

struct model {
	struct model_job *jobs;
};

struct model *model_create(void)
{
	return xcalloc(1, sizeof(struct model));
}

static void free_job(struct model_job *j)
{
	for (size_t i = 0; i < j->count; i++)
		free(j->events[i].json);
	free(j->events);
	cJSON_Delete(j->state);
	free(j);
}

void model_free(struct model *m)
{
	for (struct model_job *j = m->jobs, *next; j; j = next) {
		next = j->next;
		free_job(j);
	}
	free(m);
}

static struct model_job **find(struct model *m, const char *id)
{
	struct model_job **at = &m->jobs;

	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	return at;
}

/* ---- the fold ---- */

static const char *const kept[] = { "status",   "title",   "note",
	                            "progress", "attempt", "heartbeatTimeoutMs",
	                            "stalled" };

#define KEPT (sizeof(kept) / sizeof(kept[0]))

static const char *text_of(const cJSON *object, const char *name)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

	PROMISE(cJSON_IsString(member));
	return member->valuestring;
}

/* Replaces the member by that of `from`; removes it when that has none. */
static void copy_member(cJSON *to, const cJSON *from, const char *name)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(from, name);

	cJSON_DeleteItemFromObjectCaseSensitive(to, name);
	if (member)
		cJSON_AddItemToObject(to, name, cJSON_Duplicate(member, 1));
}

static cJSON *find_by_id(const cJSON *list, const char *id)
{
	cJSON *item;

	cJSON_ArrayForEach(item, list) if (strcmp(text_of(item, "id"), id) == 0) return item;
	return NULL;
}

static void put_task(cJSON *state, const char *id, const cJSON *said)
{
	cJSON *tasks = cJSON_GetObjectItemCaseSensitive(state, "tasks");
	cJSON *task = find_by_id(tasks, id);

	if (!task) {
		task = cJSON_CreateObject();
		cJSON_AddStringToObject(task, "id", id);
		cJSON_AddItemToArray(tasks, task);
	}
	for (size_t i = 0; i < KEPT; i++)
		copy_member(task, said, kept[i]);
}

static void fold_job(cJSON *state, const cJSON *event)
{
	const cJSON *task;

	copy_member(state, event, "status");
	copy_member(state, event, "title");
	copy_member(state, event, "heartbeatTimeoutMs");
	if (cJSON_HasObjectItem(event, "metadata"))
		copy_member(state, event, "metadata");
	cJSON_ArrayForEach(task, cJSON_GetObjectItemCaseSensitive(event, "tasks"))
	    put_task(state, text_of(task, "id"), task);
}

static void fold_deliverable(cJSON *state, const cJSON *event)
{
	cJSON *made = cJSON_CreateObject();

	cJSON_AddStringToObject(made, "id", text_of(event, "deliverableId"));
	copy_member(made, event, "title");
	copy_member(made, event, "url");
	copy_member(made, event, "mediaType");
	cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(state, "deliverables"), made);
}

static void fold(cJSON *state, const cJSON *event)
{
	const char *type = text_of(event, "type");

	if (strcmp(type, "job_update") == 0)
		fold_job(state, event);
	else if (strcmp(type, "task_update") == 0)
		put_task(state, text_of(event, "taskId"), event);
	else if (strcmp(type, "deliverable") == 0)
		fold_deliverable(state, event);
	else
		PROMISE(strcmp(type, "command") == 0);
}

/* ---- taking a batch ---- */

static struct model_job *create_job(struct model *m, const struct event *e)
{
	struct model_job *j = xcalloc(1, sizeof(*j));

	strcpy(j->id, e->job_id);
	strcpy(j->epoch, e->epoch);
	j->state = cJSON_CreateObject();
	cJSON_AddArrayToObject(j->state, "tasks");
	cJSON_AddArrayToObject(j->state, "deliverables");
	j->next = m->jobs;
	m->jobs = j;
	return j;
}

static void check_event(const struct event *e, const cJSON *event)
{
	PROMISE(event && strcmp(text_of(event, "jobId"), e->job_id) == 0);
	PROMISE(strcmp(text_of(event, "type"), event_type_text(e->type)) == 0);
	PROMISE(cJSON_GetObjectItem(event, "seq")->valuedouble == (double)e->seq);
}

static void add_event(struct model *m, const struct batch *batch, const struct event *e)
{
	struct model_job *j = *find(m, e->job_id);
	struct slice json = event_json(batch, e);
	cJSON *event = cJSON_ParseWithLength(json.ptr, json.len);

	if (!j)
		j = create_job(m, e);
	PROMISE(e->seq == j->count + 1 && strcmp(j->epoch, e->epoch) == 0);
	check_event(e, event);
	j->events = xrealloc(j->events, (j->count + 1) * sizeof(*j->events));
	j->events[j->count++] = (struct logged){ xmemdup(json.ptr, json.len), json.len };
	fold(j->state, event);
	PROMISE(strcmp(text_of(j->state, "status"), job_status_text(e->job_status)) == 0);
	cJSON_Delete(event);
}

static void remove_job(struct model *m, const char *id)
{
	struct model_job **at = find(m, id), *gone = *at;

	PROMISE(gone);
	*at = gone->next;
	free_job(gone);
}

/* The events of an op that was answered are among those that were ever logged. */
static void check_op(struct model *m, const struct op *op)
{
	const struct model_job *j = *find(m, op->job_id);

	if (outcome_is_error(op->problem.outcome) && !op->replayed)
		PROMISE(!op->seq_first && !op->seq_last);
	PROMISE(op->seq_first <= op->seq_last);
	if (op->seq_last && j && strcmp(j->epoch, op->epoch) == 0)
		PROMISE(op->seq_last <= j->count);
}

void model_take(struct model *m, const struct batch *batch, struct op *const *ops, size_t count)
{
	for (size_t i = 0; i < batch->count; i++)
		if (batch->events[i].deleted)
			remove_job(m, batch->events[i].job_id);
		else
			add_event(m, batch, &batch->events[i]);
	for (size_t i = 0; i < count; i++)
		check_op(m, ops[i]);
}

/* ---- comparing ---- */

static void same_member(const cJSON *a, const cJSON *b, const char *name)
{
	PROMISE(cJSON_HasObjectItem(a, name) == cJSON_HasObjectItem(b, name));
	if (cJSON_HasObjectItem(a, name))
		PROMISE(cJSON_Compare(cJSON_GetObjectItemCaseSensitive(a, name),
		                      cJSON_GetObjectItemCaseSensitive(b, name), 1));
}

static void same_list(const cJSON *folded, const cJSON *seen, const char *list,
                      const char *const *names, size_t count)
{
	const cJSON *a = cJSON_GetObjectItemCaseSensitive(folded, list)->child;
	const cJSON *b = cJSON_GetObjectItemCaseSensitive(seen, list)->child;

	for (; a && b; a = a->next, b = b->next) {
		same_member(a, b, "id");
		for (size_t i = 0; i < count; i++)
			same_member(a, b, names[i]);
	}
	PROMISE(!a && !b);
}

static void check_snapshot(const struct model_job *j, struct slice text)
{
	static const char *const members[] = { "status", "title", "metadata",
		                               "heartbeatTimeoutMs" };
	static const char *const of_deliverable[] = { "title", "url", "mediaType" };
	cJSON *seen = cJSON_ParseWithLength(text.ptr, text.len);

	PROMISE(seen && strcmp(text_of(seen, "id"), j->id) == 0);
	PROMISE(strcmp(text_of(seen, "epoch"), j->epoch) == 0);
	PROMISE(cJSON_GetObjectItem(seen, "seq")->valuedouble == (double)j->count);
	for (size_t i = 0; i < 4; i++)
		same_member(j->state, seen, members[i]);
	same_list(j->state, seen, "tasks", kept, KEPT);
	same_list(j->state, seen, "deliverables", of_deliverable, 3);
	cJSON_Delete(seen);
}

static struct read_result *run(struct store *reader, enum read_kind kind, const char *id,
                               struct position position)
{
	struct read_result *result = read_result_create();
	struct read_query query = {
		.kind = kind, .position = position, .status = -1, .limit = 10000, .bytes = SIZE_MAX
	};

	snprintf(query.job_id, sizeof(query.job_id), "%s", id);
	read_run(reader, NULL, &query, result);
	return result;
}

static void check_log(const struct model_job *j, struct store *reader, uint64_t first)
{
	struct position from = { .kind = POSITION_CURSOR, .seq = first - 1 };
	uint64_t seq = first;

	strcpy(from.epoch, j->epoch);
	struct read_result *r = run(reader, READ_RESUME, j->id, from);
	PROMISE(r->problem.outcome == OUTCOME_OK && r->resume == RESUME_EXACT);
	for (size_t i = 0; i < r->event_count; i++, seq++) {
		struct slice json = read_event_json(r, &r->events[i]);
		PROMISE(r->events[i].seq == seq && seq <= j->count);
		const struct logged *event = &j->events[seq - 1];
		PROMISE(json.len == event->len && memcmp(json.ptr, event->json, json.len) == 0);
	}
	PROMISE(seq == j->count + 1);
	read_result_release(r);
}

static uint64_t first_of(struct store *reader, const char *id)
{
	struct job_row row = { 0 };

	PROMISE(reader->ops->begin(reader) == STORE_OK);
	PROMISE(reader->ops->job_get(reader, id, &row) == STORE_OK);
	uint64_t first = row.first;
	job_row_finish(&row);
	reader->ops->rollback(reader);
	return first;
}

static bool count_job(void *context, const struct job_row *row)
{
	(void)row;
	++*(size_t *)context;
	return true;
}

static void check_count(const struct model *m, struct store *reader)
{
	size_t seen = 0;

	PROMISE(reader->ops->begin(reader) == STORE_OK);
	reader->ops->jobs(reader, -1, 0, SIZE_MAX, count_job, &seen);
	reader->ops->rollback(reader);
	for (const struct model_job *j = m->jobs; j; j = j->next)
		seen--;
	PROMISE(seen == 0);
}

void model_check(struct model *m, struct store *reader)
{
	struct position nothing = { .kind = POSITION_NONE };

	check_count(m, reader);
	for (const struct model_job *j = m->jobs; j; j = j->next) {
		struct read_result *r = run(reader, READ_JOB, j->id, nothing);
		PROMISE(r->problem.outcome == OUTCOME_OK);
		check_snapshot(j, read_result_json(r));
		read_result_release(r);
		check_log(j, reader, first_of(reader, j->id));
	}
}
