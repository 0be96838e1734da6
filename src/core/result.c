#include "result.h"

#include "joblight/core/cursor.h"
#include "joblight/core/encode.h"

void result_position(struct op *op, const struct job_state *job, uint64_t first, uint64_t last)
{
	memcpy(op->epoch, job->row.epoch, sizeof(op->epoch));
	op->seq_first = first;
	op->seq_last = last;
}

static void end_object(struct op *op)
{
	buf_text(&op->body, "}\n");
}

void result_created_job(struct op *op, const struct job_state *job, const struct task_row *tasks)
{
	buf_char(&op->body, '{');
	encode_job_head(&op->body, &job->row);
	buf_text(&op->body, ",\"tasks\":[");
	for (size_t i = 0; i < op->task_count; i++) {
		if (i)
			buf_char(&op->body, ',');
		encode_task(&op->body, &tasks[i]);
	}
	buf_text(&op->body, "],\"deliverables\":[]");
	encode_job_position(&op->body, &job->row);
	end_object(op);
}

void result_job(struct op *op, const struct job_state *job)
{
	buf_char(&op->body, '{');
	encode_job_head(&op->body, &job->row);
	encode_job_position(&op->body, &job->row);
	end_object(op);
}

void result_task(struct op *op, const struct job_state *job, const struct task_state *task)
{
	buf_char(&op->body, '{');
	encode_task_members(&op->body, &task->row);
	encode_job_position(&op->body, &job->row);
	end_object(op);
}

void result_deliverable(struct op *op, const struct job_state *job,
                        const struct deliverable_row *deliverable)
{
	buf_char(&op->body, '{');
	encode_deliverable_members(&op->body, deliverable);
	encode_job_position(&op->body, &job->row);
	end_object(op);
}

void result_report(struct op *op, const struct job_state *job)
{
	buf_text(&op->body, "{\"ok\":true,\"seq\":");
	buf_u64(&op->body, job->row.seq);
	buf_text(&op->body, ",\"cursor\":\"");
	cursor_add(&op->body, job->row.epoch, job->row.seq);
	buf_text(&op->body, "\"}\n");
}

void result_event(struct op *op, const struct job_state *job)
{
	result_position(op, job, job->row.seq, job->row.seq);
	result_report(op, job);
	op->problem.outcome = OUTCOME_CREATED;
}
