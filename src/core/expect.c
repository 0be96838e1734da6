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

/* Whether the rows that are named are all that the op needs, if they exist. */
static bool is_about_tasks(const struct op *op)
{
	return op->kind == OP_TASK_REPORT || op->kind == OP_TASK_PUT || op->kind == OP_STALL;
}

static void expect_op(struct expected *rows, const struct op *op)
{
	if (outcome_is_error(op->problem.outcome))
		return;
	expect_job(rows, op);
	expect_tasks(rows, op);
	if (op->key[0] && idempotency_expect(op, &rows->answers[rows->answer_count]))
		rows->answer_count++;
}

void expect_rows(struct engine *e, const struct op *ops)
{
	struct expected rows = { 0 };
	size_t count = count_ops(ops);

	rows.jobs = xcalloc(count, sizeof(*rows.jobs));
	rows.tasks = xcalloc(count_tasks(ops), sizeof(*rows.tasks));
	rows.answers = xcalloc(count, sizeof(*rows.answers));
	for (; ops; ops = next_op(ops))
		expect_op(&rows, ops);
	store_failed(e, e->store->ops->expect(e->store, &rows));
	free(rows.jobs);
	free(rows.tasks);
	free(rows.answers);
}

enum store_result expect_row(struct engine *e, const struct op *op)
{
	if (outcome_is_error(op->problem.outcome))
		return STORE_OK;
	if (!is_about_tasks(op))
		return STORE_EARLY;

	struct expected_job job;
	struct expected_answer answer;
	struct expected rows = { .jobs = &job, .answers = &answer };

	rows.tasks = xcalloc(op->task_count + 1, sizeof(*rows.tasks));
	expect_op(&rows, op);
	enum store_result r = e->store->ops->expect(e->store, &rows);
	free(rows.tasks);
	return r == STORE_NONE ? STORE_OK : r;
}
