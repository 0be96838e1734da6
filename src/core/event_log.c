#include "event_log.h"

#include "joblight/core/encode.h"
#include "day_log.h"

struct event *event_log_begin(struct engine *e, struct job_state *job, enum event_type type)
{
	struct event *event = batch_add(e->batch);

	day_log_changes(e, job,
	                engine_job_time(e, job)); /* a failure is found by event_log_end() */
	job->row.updated = engine_job_time(e, job);
	job->row.seq++;
	memcpy(event->job_id, job->row.id, sizeof(event->job_id));
	memcpy(event->epoch, job->row.epoch, sizeof(event->epoch));
	event->seq = job->row.seq;
	event->type = type;
	event->json_at = e->batch->text.len;
	working_set_touch_job(&e->rows, job);
	return event;
}

bool event_log_end(struct engine *e, struct job_state *job, struct event *event)
{
	event->json_len = e->batch->text.len - event->json_at;
	event->job_status = job->row.status;
	job->row.bytes += event->json_len;
	struct event_row row = {
		.seq = event->seq,
		.type = event->type,
		.time = job->row.updated,
		.json = event_json(e->batch, event),
	};
	return !e->rows.failure &&
	       !store_failed(e, e->store->ops->event_add(e->store, job->row.key, &row));
}

bool event_log_task(struct engine *e, struct job_state *job, const struct task_state *task)
{
	struct event *event = event_log_begin(e, job, EVENT_TASK_UPDATE);

	encode_task_update(&e->batch->text, job->row.id, event->seq, job->row.updated,
	                   e->traceparent, &task->row);
	return event_log_end(e, job, event);
}

bool event_log_job(struct engine *e, struct job_state *job, unsigned extra,
                   const struct task_row *tasks, size_t count)
{
	struct event *event = event_log_begin(e, job, EVENT_JOB_UPDATE);
	struct buf *text = &e->batch->text;

	encode_job_update(text, &job->row, event->seq, job->row.updated, e->traceparent, extra,
	                  tasks, count);
	bool ok = event_log_end(e, job, event);
	if (job->row.ended)
		day_log_ends(e, job);
	event->title_at = text->len;
	event->title_len = strlen(job->row.title);
	buf_text(text, job->row.title);
	return ok;
}

bool event_log_deliverable(struct engine *e, struct job_state *job,
                           const struct deliverable_row *deliverable)
{
	struct event *event = event_log_begin(e, job, EVENT_DELIVERABLE);

	encode_deliverable_event(&e->batch->text, job->row.id, event->seq, job->row.updated,
	                         e->traceparent, deliverable);
	return event_log_end(e, job, event);
}

bool event_log_command(struct engine *e, struct job_state *job, const struct command *command)
{
	struct event *event = event_log_begin(e, job, EVENT_COMMAND);

	encode_command(&e->batch->text, job->row.id, event->seq, job->row.updated, e->traceparent,
	               command);
	return event_log_end(e, job, event);
}

void event_log_deletion(struct engine *e, const struct job_row *job)
{
	struct event *event = batch_add(e->batch);

	memcpy(event->job_id, job->id, sizeof(event->job_id));
	memcpy(event->epoch, job->epoch, sizeof(event->epoch));
	event->seq = job->seq;
	event->deleted = true;
}
