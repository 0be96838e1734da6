#include "apply.h"

#include "joblight/core/encode.h"
#include "result.h"
#include "event_log.h"

bool apply_command(struct engine *e, struct op *op)
{
	struct job_state *job = apply_find_open_job(e, op);
	struct command said = { op->command, op->task_id, buf_as_slice(&op->payload) };

	if (!job)
		return false;
	if (op->task_id[0] && !working_set_find_task(&e->rows, job, slice_of(op->task_id)))
		return e->rows.failure ? false
		                       : problem_set(&op->problem, OUTCOME_NOT_FOUND,
		                                     "the job has no task \"%s\"", op->task_id);
	if (!event_log_command(e, job, &said))
		return false;
	result_position(op, job, job->row.seq, job->row.seq);
	result_report(op, job);
	op->problem.outcome = OUTCOME_CREATED;
	return true;
}
