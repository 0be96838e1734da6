#include "expect.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "idempotency.h"

static const struct op *next_op(const struct op *op)
{
	return (const struct op *)op->mail.next;
}

static size_t count_tasks(const struct op *ops)
{
	size_t tasks = 0;

	for (; ops; ops = next_op(ops))
		tasks += ops->task_count + 1;
	return tasks;
}

static size_t count_ops(const struct op *ops)
{
	size_t count = 0;

	for (; ops; ops = next_op(ops))
		count++;
	return count;
}

static void expect_job(struct expected *rows, const struct op *op)
{
	bool created = op->kind == OP_JOB_CREATE;

	rows->created += created;
	if (op->job_id[0])
		rows->jobs[rows->job_count++] = (struct expected_job){ op->job_id, created };
}

static void expect_task(struct expected *rows, const struct op *op, struct slice id)
{
	if (id.len)
		rows->tasks[rows->task_count++] = (struct expected_task){ op->job_id, id };
}

/* A new job has no tasks. */
static void expect_tasks(struct expected *rows, const struct op *op)
{
	if (op->kind == OP_JOB_CREATE)
		return;
	for (size_t i = 0; i < op->task_count; i++)
		expect_task(rows, op, op->tasks[i].id);
	expect_task(rows, op, slice_of(op->task_id));
}

void expect_rows(struct engine *e, const struct op *ops)
{
	struct expected rows = { 0 };
	size_t count = count_ops(ops);

	rows.jobs = xcalloc(count, sizeof(*rows.jobs));
	rows.tasks = xcalloc(count_tasks(ops), sizeof(*rows.tasks));
	rows.answers = xcalloc(count, sizeof(*rows.answers));
	for (; ops; ops = next_op(ops)) {
		if (outcome_is_error(ops->problem.outcome))
			continue;
		expect_job(&rows, ops);
		expect_tasks(&rows, ops);
		if (ops->key[0] && idempotency_expect(ops, &rows.answers[rows.answer_count]))
			rows.answer_count++;
	}
	store_failed(e, e->store->ops->expect(e->store, &rows));
	free(rows.jobs);
	free(rows.tasks);
	free(rows.answers);
}
