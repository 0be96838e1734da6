#include "day_log.h"

static int64_t day_of(int64_t time)
{
	return time / DAY_MS;
}

/* Writes the row of the day on which the job changed last.  `job` is as the store has it. */
static bool put_row(struct engine *e, const struct job_row *job)
{
	const struct store_ops *ops = e->store->ops;
	struct task_counts counts;

	if (store_failed(e, ops->task_counts(e->store, job->key, &counts)))
		return false;
	struct job_day_row row = {
		.day = day_of(job->updated),
		.job = job->key,
		.status = job->status,
		.created = job->created,
		.ended = job->ended,
		.events = job->seq,
		.bytes = job->bytes,
		.tasks = counts.total,
		.completed = counts.completed,
		.failed = counts.failed,
		.cancelled = counts.cancelled,
		.deliverables = job->deliverables,
	};
	memcpy(row.id, job->id, sizeof(row.id));
	return !store_failed(e, ops->job_day_put(e->store, &row));
}

static void mark(struct engine *e, struct job_state *job)
{
	list_move(&e->days, &job->day_link);
}

/* The row in memory may have changed already; the one in the store is that of the earlier day. */
static bool close_day(struct engine *e, const struct job_state *job)
{
	struct job_row row = { 0 };
	enum store_result r = e->store->ops->job_get(e->store, job->row.id, &row);

	if (store_failed(e, r))
		return false;
	bool ok = r == STORE_NONE || put_row(e, &row);
	job_row_finish(&row);
	return ok;
}

bool day_log_changes(struct engine *e, struct job_state *job, int64_t time)
{
	if (job->row.seq && day_of(time) == day_of(job->row.updated))
		return true;
	mark(e, job);
	return !job->row.seq || close_day(e, job);
}

void day_log_ends(struct engine *e, struct job_state *job)
{
	mark(e, job);
}

/* The row of an ended job is final already, unless it ended in this transaction. */
bool day_log_removes(struct engine *e, struct job_state *job)
{
	if (job->row.ended && list_empty(&job->day_link))
		return true;
	return working_set_flush(&e->rows) == STORE_OK && put_row(e, &job->row);
}

enum store_result day_log_flush(struct engine *e)
{
	while (!list_empty(&e->days)) {
		struct job_state *job = container_of(e->days.next, struct job_state, day_link);
		list_remove(&job->day_link);
		if (!put_row(e, &job->row))
			return e->rows.failure;
	}
	return STORE_OK;
}
