#include "joblight/core/encode.h"

#include "joblight/base/clock.h"
#include "joblight/core/cursor.h"
#include "joblight/core/json.h"

/* These functions run for every update, so they append text and build no tree. */

static void add_time_member(struct buf *out, const char *name, int64_t time)
{
	if (!time)
		return;
	json_name(out, name);
	json_time(out, time);
}

void encode_event_start(struct buf *out, enum event_type type, const char *job_id, uint64_t seq)
{
	buf_text(out, "{\"type\":\"");
	buf_text(out, event_type_text(type));
	buf_text(out, "\",\"jobId\":\"");
	buf_text(out, job_id);
	buf_text(out, "\",\"seq\":");
	buf_u64(out, seq);
}

void encode_event_end(struct buf *out, int64_t time, const char *traceparent)
{
	json_text(out, "traceparent", traceparent && traceparent[0] ? traceparent : NULL);
	add_time_member(out, "timestamp", time);
	buf_char(out, '}');
}

static void add_task_state(struct buf *out, const struct task_row *t)
{
	buf_text(out, ",\"status\":\"");
	buf_text(out, task_status_text(t->status));
	buf_char(out, '"');
	json_text(out, "title", t->title);
	json_text(out, "note", t->note);
	if (!isnan(t->progress)) {
		json_name(out, "progress");
		json_number(out, t->progress);
	}
	if (t->attempt >= 0) {
		json_name(out, "attempt");
		buf_u64(out, (uint64_t)t->attempt);
	}
	if (t->silence_ms >= 0) {
		json_name(out, "heartbeatTimeoutMs");
		buf_u64(out, (uint64_t)t->silence_ms);
	}
	if (t->stalled)
		buf_text(out, ",\"stalled\":true");
}

static void add_job_silence(struct buf *out, const struct job_row *job)
{
	if (!job->silence_ms)
		return;
	json_name(out, "heartbeatTimeoutMs");
	buf_u64(out, (uint64_t)job->silence_ms);
}

void encode_task_update(struct buf *out, const char *job_id, uint64_t seq, int64_t time,
                        const char *traceparent, const struct task_row *task)
{
	encode_event_start(out, EVENT_TASK_UPDATE, job_id, seq);
	buf_text(out, ",\"taskId\":\"");
	buf_text(out, task->id);
	buf_char(out, '"');
	add_task_state(out, task);
	encode_event_end(out, time, traceparent);
}

void encode_job_update(struct buf *out, const struct job_row *job, uint64_t seq, int64_t time,
                       const char *traceparent, unsigned extra, const struct task_row *tasks,
                       size_t task_count)
{
	encode_event_start(out, EVENT_JOB_UPDATE, job->id, seq);
	json_text(out, "status", job_status_text(job->status));
	json_text(out, "title", job->title);
	if (extra & JOB_UPDATE_METADATA) {
		json_name(out, "metadata");
		buf_text(out, job->metadata);
	}
	add_job_silence(out, job);
	if (extra & JOB_UPDATE_CREATED) {
		buf_text(out, ",\"created\":true,\"tasks\":[");
		for (size_t i = 0; i < task_count; i++) {
			buf_format(out, "%s{\"id\":\"%s\"", i ? "," : "", tasks[i].id);
			add_task_state(out, &tasks[i]);
			buf_char(out, '}');
		}
		buf_char(out, ']');
	}
	encode_event_end(out, time, traceparent);
}

static void add_deliverable_state(struct buf *out, const struct deliverable_row *d)
{
	json_text(out, "title", d->title);
	json_text(out, "url", d->url);
	json_text(out, "mediaType", d->media_type);
}

void encode_deliverable_event(struct buf *out, const char *job_id, uint64_t seq, int64_t time,
                              const char *traceparent, const struct deliverable_row *deliverable)
{
	encode_event_start(out, EVENT_DELIVERABLE, job_id, seq);
	json_text(out, "deliverableId", deliverable->id);
	add_deliverable_state(out, deliverable);
	encode_event_end(out, time, traceparent);
}

void encode_command(struct buf *out, const char *job_id, uint64_t seq, int64_t time,
                    const char *traceparent, const struct command *command)
{
	encode_event_start(out, EVENT_COMMAND, job_id, seq);
	json_name(out, "command");
	json_string(out, command->name);
	if (command->task_id[0])
		json_text(out, "taskId", command->task_id);
	json_name(out, "args");
	buf_slice(out, command->args);
	if (command->actor)
		json_text(out, "actor", command->actor);
	encode_event_end(out, time, traceparent);
}

void encode_job_head(struct buf *out, const struct job_row *job)
{
	buf_format(out, "\"id\":\"%s\"", job->id);
	json_text(out, "title", job->title);
	json_text(out, "status", job_status_text(job->status));
	json_name(out, "metadata");
	buf_text(out, job->metadata);
	add_job_silence(out, job);
	add_time_member(out, "createdAt", job->created);
	add_time_member(out, "updatedAt", job->updated);
	add_time_member(out, "endedAt", job->ended);
}

void encode_job_position(struct buf *out, const struct job_row *job)
{
	buf_format(out, ",\"seq\":%llu,\"epoch\":\"%s\",\"cursor\":\"",
	           (unsigned long long)job->seq, job->epoch);
	cursor_add(out, job->epoch, job->seq);
	buf_char(out, '"');
}

void encode_task_members(struct buf *out, const struct task_row *task)
{
	buf_text(out, "\"id\":\"");
	buf_text(out, task->id);
	buf_char(out, '"');
	add_task_state(out, task);
	buf_text(out, ",\"position\":");
	buf_u64(out, task->position);
	add_time_member(out, "createdAt", task->created);
	add_time_member(out, "updatedAt", task->updated);
	add_time_member(out, "startedAt", task->started);
	add_time_member(out, "endedAt", task->ended);
}

void encode_task(struct buf *out, const struct task_row *task)
{
	buf_char(out, '{');
	encode_task_members(out, task);
	buf_char(out, '}');
}

void encode_deliverable_members(struct buf *out, const struct deliverable_row *deliverable)
{
	buf_format(out, "\"id\":\"%s\"", deliverable->id);
	add_deliverable_state(out, deliverable);
	add_time_member(out, "createdAt", deliverable->created);
}

void encode_deliverable(struct buf *out, const struct deliverable_row *deliverable)
{
	buf_char(out, '{');
	encode_deliverable_members(out, deliverable);
	buf_char(out, '}');
}

void encode_job_day(struct buf *out, const struct job_day_row *row)
{
	char day[CLOCK_TEXT_LEN + 1];

	clock_format(row->day * DAY_MS, day);
	buf_format(out, "{\"day\":\"%.10s\",\"job\":%lld,\"id\":\"%s\",\"status\":\"%s\"", day,
	           (long long)row->job, row->id, job_status_text(row->status));
	add_time_member(out, "createdAt", row->created);
	add_time_member(out, "endedAt", row->ended);
	buf_format(out,
	           ",\"events\":%llu,\"bytes\":%llu,\"tasks\":{\"total\":%u,\"completed\":%u,"
	           "\"failed\":%u,\"cancelled\":%u},\"deliverables\":%u}",
	           (unsigned long long)row->events, (unsigned long long)row->bytes, row->tasks,
	           row->completed, row->failed, row->cancelled, row->deliverables);
}
