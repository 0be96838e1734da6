#include "answer.h"

#include "joblight/core/cursor.h"
#include "joblight/core/encode.h"

void answer_position(struct op *op, const struct job_state *job, uint64_t first, uint64_t last)
{
	memcpy(op->epoch, job->row.epoch, sizeof(op->epoch));
	op->seq_first = first;
	op->seq_last = last;
}

/* The snapshot of a job that this op made, from the rows at hand. */
void answer_created_job(struct op *op, const struct job_state *job, const struct task_row *tasks)
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
	buf_char(&op->body, '\n');
}

void answer_job(struct op *op, const struct job_state *job)
{
	buf_char(&op->body, '{');
	encode_job_head(&op->body, &job->row);
	encode_job_position(&op->body, &job->row);
	buf_char(&op->body, '\n');
}

void answer_task(struct op *op, const struct job_state *job, const struct task_state *task)
{
	encode_task(&op->body, &task->row);
	op->body.len--; /* its closing brace: the position goes inside */
	encode_job_position(&op->body, &job->row);
	buf_char(&op->body, '\n');
}

void answer_deliverable(struct op *op, const struct job_state *job,
                        const struct deliverable_row *deliverable)
{
	encode_deliverable(&op->body, deliverable);
	op->body.len--; /* its closing brace: the position goes inside */
	encode_job_position(&op->body, &job->row);
	buf_char(&op->body, '\n');
}

void answer_report(struct op *op, const struct job_state *job)
{
	buf_text(&op->body, "{\"ok\":true,\"seq\":");
	buf_u64(&op->body, job->row.seq);
	buf_text(&op->body, ",\"cursor\":\"");
	cursor_add(&op->body, job->row.epoch, job->row.seq);
	buf_text(&op->body, "\"\n");
}
