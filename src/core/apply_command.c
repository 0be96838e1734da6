#include "apply.h"

#include "joblight/core/encode.h"
#include "joblight/core/credential.h"
#include "result.h"
#include "event_log.h"

bool apply_command(struct engine *e, struct op *op)
{
	struct job_state *job = apply_find_open_job(e, op);
	struct command said = { op->command, op->task_id, buf_as_slice(&op->payload),
		                op->by ? credential_name(op->by) : NULL };

	if (!job || !apply_finds_task(e, op, job) || !event_log_command(e, job, &said))
		return false;
	result_event(op, job);
	return true;
}
