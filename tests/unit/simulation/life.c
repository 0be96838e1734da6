#include "life.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "verdict.h"

/* Reading our own JSON. */

/* The raw value of a member, or NULL. */
static char *member(struct slice object, const char *name)
{
	struct slice raw;

	return json_member(object, name, &raw) ? xmemdup(raw.ptr, raw.len) : NULL;
}

static bool member_is(struct slice object, const char *name, const char *raw)
{
	struct slice value;

	return json_member(object, name, &value) && slice_is(value, raw);
}

static void take_member(char **field, struct slice object, const char *name)
{
	free(*field);
	*field = member(object, name);
}

/* The next object of an array; cuts it off the front.  Strings may hold brackets. */
static bool next_object(struct slice *array, struct slice *object)
{
	size_t start = 0, at, depth = 0;
	bool quoted = false;

	while (start < array->len && array->ptr[start] != '{')
		start++;
	for (at = start; at < array->len; at++) {
		char c = array->ptr[at];
		if (quoted && c == '\\')
			at++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '}') &&
		         (depth += c == '{' ? 1 : (size_t)-1) == 0)
			break;
	}
	if (at >= array->len)
		return false;
	*object = (struct slice){ array->ptr + start, at + 1 - start };
	array->ptr += at + 1;
	array->len -= at + 1;
	return true;
}

/* Folding. */

static bool is_over(const char *status)
{
	return status && (!strcmp(status, "\"completed\"") || !strcmp(status, "\"failed\"") ||
	                  !strcmp(status, "\"cancelled\""));
}

static void set(char **field, const char *value)
{
	char *copy = value ? xstrdup(value) : NULL;

	free(*field);
	*field = copy;
}

static struct folded_task *task_of(struct life *l, char *id, const char *time)
{
	for (size_t i = 0; i < l->task_count; i++)
		if (!strcmp(l->tasks[i].id, id)) {
			free(id);
			return &l->tasks[i];
		}
	l->tasks = xrealloc(l->tasks, (l->task_count + 1) * sizeof(*l->tasks));
	l->tasks[l->task_count] = (struct folded_task){ .id = id, .created = xstrdup(time) };
	return &l->tasks[l->task_count++];
}

static void fold_task(struct life *l, struct slice json, const char *id_name, const char *time)
{
	struct folded_task *t = task_of(l, member(json, id_name), time);
	bool was_over = is_over(t->status);

#define TAKE(field, name) take_member(&t->field, json, name);
	TASK_STATE(TAKE)
	set(&t->updated, time);
	if (!strcmp(t->status, "\"in_progress\"") && (!t->started || was_over))
		set(&t->started, time);
	if (!is_over(t->status))
		set(&t->ended, NULL);
	else if (!was_over)
		set(&t->ended, time);
}

static void fold_deliverable(struct life *l, struct slice json, const char *time)
{
	l->deliverables = xrealloc(l->deliverables,
	                           (l->deliverable_count + 1) * sizeof(*l->deliverables));
	l->deliverables[l->deliverable_count++] = (struct folded_deliverable){
		.id = member(json, "deliverableId"),
		.title = member(json, "title"),
		.url = member(json, "url"),
		.media_type = member(json, "mediaType"),
		.created = xstrdup(time),
	};
}

static void fold_job(struct life *l, struct slice json, const char *time)
{
	struct slice tasks, task;

	take_member(&l->title, json, "title");
	take_member(&l->status, json, "status");
	take_member(&l->heartbeat, json, "heartbeatTimeoutMs");
	if (json_member(json, "metadata", &tasks))
		take_member(&l->metadata, json, "metadata");
	if (member_is(json, "created", "true")) {
		promise(l->head == 1, "%s: event %llu says that it created the job", l->job_id,
		        (unsigned long long)l->head);
		set(&l->created, time);
		json_member(json, "tasks", &tasks);
		while (next_object(&tasks, &task))
			fold_task(l, task, "id", time);
	}
	if (is_over(l->status)) {
		l->over = true;
		set(&l->ended, time);
	}
}

static void fold(struct life *l, enum event_type type, struct slice json, const char *time)
{
	if (type == EVENT_JOB_UPDATE)
		fold_job(l, json, time);
	else if (type == EVENT_TASK_UPDATE)
		fold_task(l, json, "taskId", time);
	else if (type == EVENT_DELIVERABLE)
		fold_deliverable(l, json, time); /* a command changes nothing */
}

/* Writing the snapshot. */

static void add(struct buf *out, const char *name, const char *raw)
{
	if (raw)
		buf_format(out, ",\"%s\":%s", name, raw);
}

static void add_task(struct buf *out, const struct folded_task *t, size_t position)
{
	buf_format(out, "%s{\"id\":%s", position ? "," : "", t->id);
#define ADD(field, name) add(out, name, t->field);
	TASK_STATE(ADD)
	buf_format(out, ",\"position\":%zu", position);
	add(out, "createdAt", t->created);
	add(out, "updatedAt", t->updated);
	add(out, "startedAt", t->started);
	add(out, "endedAt", t->ended);
	buf_char(out, '}');
}

static void add_deliverable(struct buf *out, const struct folded_deliverable *d, bool first)
{
	buf_format(out, "%s{\"id\":%s", first ? "" : ",", d->id);
	add(out, "title", d->title);
	add(out, "url", d->url);
	add(out, "mediaType", d->media_type);
	add(out, "createdAt", d->created);
	buf_char(out, '}');
}

static void write_snapshot(const struct life *l, struct fact *f, const char *time)
{
	struct buf out = { 0 };

	buf_format(&out, "{\"id\":\"%s\"", l->job_id);
	add(&out, "title", l->title);
	add(&out, "status", l->status);
	add(&out, "metadata", l->metadata);
	add(&out, "heartbeatTimeoutMs", l->heartbeat);
	add(&out, "createdAt", l->created);
	add(&out, "updatedAt", time);
	add(&out, "endedAt", l->ended);
	buf_text(&out, ",\"tasks\":[");
	for (size_t i = 0; i < l->task_count; i++)
		add_task(&out, &l->tasks[i], i);
	buf_text(&out, "],\"deliverables\":[");
	for (size_t i = 0; i < l->deliverable_count; i++)
		add_deliverable(&out, &l->deliverables[i], i == 0);
	buf_format(&out, "],\"seq\":%llu,\"epoch\":\"%s\",\"cursor\":\"%s.%llu\"}",
	           (unsigned long long)l->head, l->epoch, l->epoch, (unsigned long long)l->head);
	f->snapshot_len = out.len;
	f->snapshot = out.ptr;
}

/* Learning. */

static struct life *begin_life(struct life **lives, const struct event *e, uint64_t step)
{
	struct life *l = xcalloc(1, sizeof(*l)), *before = life_now(*lives, e->job_id);

	promise(!before, "%s: event 1 of epoch %s while epoch %s lives", e->job_id, e->epoch,
	        before->epoch);
	promise(!life_of_epoch(*lives, e->job_id, e->epoch), "%s: epoch %s comes twice", e->job_id,
	        e->epoch);
	memcpy(l->job_id, e->job_id, sizeof(l->job_id));
	memcpy(l->epoch, e->epoch, sizeof(l->epoch));
	l->first = 1;
	l->born = step;
	l->older = *lives;
	return *lives = l;
}

static void learn_json(const struct life *l, struct fact *f, struct slice json)
{
	char seq[32], id[ID_MAX + 8];
	size_t at;

	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)l->head);
	snprintf(id, sizeof(id), "\"%s\"", l->job_id);
	promise(!json_check(json, 8, &at), "%s.%s: not JSON: %.*s", l->job_id, seq, (int)json.len,
	        json.ptr);
	promise(member_is(json, "seq", seq) && member_is(json, "jobId", id),
	        "%s.%s: another's: %.*s", l->job_id, seq, (int)json.len, json.ptr);
	f->json = xmemdup(json.ptr, json.len);
	f->json_len = json.len;
}

static void learn(struct life **lives, const struct batch *b, const struct event *e, uint64_t step)
{
	struct life *l = e->seq == 1 && !e->deleted ? begin_life(lives, e, step)
	                                            : life_now(*lives, e->job_id);

	promise(l && !strcmp(l->epoch, e->epoch), "%s: event %llu of epoch %s, which does not live",
	        e->job_id, (unsigned long long)e->seq, e->epoch);
	if (e->deleted) {
		l->died = step;
		return;
	}
	promise(e->seq == l->head + 1, "%s: event %llu comes behind %llu", l->job_id,
	        (unsigned long long)e->seq, (unsigned long long)l->head);
	promise(!l->over, "%s: event %llu comes behind the end", l->job_id,
	        (unsigned long long)e->seq);
	l->facts = xrealloc(l->facts, (size_t)(l->head + 1) * sizeof(*l->facts));
	struct fact *f = &l->facts[l->head++];
	struct slice json = event_json(b, e);
	*f = (struct fact){ .type = e->type, .status = e->job_status };
	learn_json(l, f, json);
	char *time = member(json, "timestamp");
	promise(clock_parse((struct slice){ time + 1, strlen(time) - 2 }, &f->time),
	        "%s is no time", time);
	promise(l->head == 1 || f->time >= f[-1].time, "%s: time goes back at event %llu",
	        l->job_id, (unsigned long long)l->head);
	fold(l, e->type, json, time);
	promise(l->status &&
	            !strncmp(l->status + 1, job_status_text(e->job_status), strlen(l->status) - 2),
	        "%s: the event says %s, its JSON %s", l->job_id, job_status_text(e->job_status),
	        l->status);
	f->title = xstrdup(l->title);
	write_snapshot(l, f, time);
	free(time);
}

void lives_learn(struct life **lives, const struct batch *b, uint64_t step)
{
	for (size_t i = 0; i < b->count; i++)
		learn(lives, b, &b->events[i], step);
}

static void free_task(struct folded_task *t)
{
	char *all[] = { t->id, t->created, t->updated, t->started, t->ended };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
#define FREE(field, name) free(t->field);
	TASK_STATE(FREE)
}

static void free_deliverable(struct folded_deliverable *d)
{
	char *all[] = { d->id, d->title, d->url, d->media_type, d->created };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static void free_life(struct life *l)
{
	char *all[] = { l->title, l->status, l->metadata, l->heartbeat, l->created, l->ended };

	for (uint64_t i = 0; i < l->head; i++) {
		free(l->facts[i].json);
		free(l->facts[i].title);
		free(l->facts[i].snapshot);
	}
	for (size_t i = 0; i < l->task_count; i++)
		free_task(&l->tasks[i]);
	for (size_t i = 0; i < l->deliverable_count; i++)
		free_deliverable(&l->deliverables[i]);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
	free(l->facts);
	free(l->tasks);
	free(l->deliverables);
	free(l);
}

void lives_free(struct life *lives)
{
	while (lives) {
		struct life *older = lives->older;
		free_life(lives);
		lives = older;
	}
}

/* Asking. */

struct life *life_now(struct life *lives, const char *job_id)
{
	for (struct life *l = lives; l; l = l->older)
		if (!l->died && !strcmp(l->job_id, job_id))
			return l;
	return NULL;
}

struct life *life_of_epoch(struct life *lives, const char *job_id, const char *epoch)
{
	for (struct life *l = lives; l; l = l->older)
		if (!strcmp(l->job_id, job_id) && !strcmp(l->epoch, epoch))
			return l;
	return NULL;
}

bool life_was_absent(struct life *lives, const char *job_id, uint64_t step)
{
	struct life *now = life_now(lives, job_id);

	return !now || now->born >= step;
}
