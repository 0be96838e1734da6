/*
 * Messages of WebSocket clients, and bodies of presence reports.
 *
 * covers: src/core/message.c src/core/type_filter.c
 *
 * What is accepted has what its row of messages.def needs.
 */
#include "fuzz.h"

#include "joblight/core/json.h"
#include "joblight/core/message.h"
#include "joblight/core/type_filter.h"

static const struct {
	bool id, job;
} needs[] = {
#define MESSAGE(kind, name, take, id, job, rights, refusal, handle) { id, job },
#include "joblight/core/messages.def"
#undef MESSAGE
};

static void check_report(const struct presence_report *r)
{
	PROMISE(!r->agent[0] || id_valid(slice_of(r->agent)));
	PROMISE(utf8_valid(slice_of(r->state)));
	PROMISE(!r->task_id[0] || id_valid(slice_of(r->task_id)));
}

static void check_message(const struct message *m)
{
	PROMISE(m->kind < MESSAGE_KIND_COUNT);
	PROMISE(!needs[m->kind].id || key_valid(slice_of(m->id)));
	PROMISE(!needs[m->kind].job || id_valid(slice_of(m->job_id)));
	if (m->kind == MESSAGE_UPDATE)
		PROMISE(m->op && m->op->kind == OP_TASK_REPORT && m->op->task_count);
	if (m->kind == MESSAGE_COMMAND)
		PROMISE(m->op && m->op->kind == OP_COMMAND);
	if (m->kind == MESSAGE_PRESENCE)
		check_report(&m->report);
}

void fuzz_one(struct slice input)
{
	struct slice text = fuzz_copy(input);
	struct problem problem = { 0 }, other = { 0 };
	struct presence_report report;
	struct message m;

	if (message_decode(&limits_default, text, &m, &problem))
		check_message(&m);
	else
		PROMISE(!m.op && outcome_is_error(problem.outcome) && problem.detail[0]);
	if (m.op)
		op_free(m.op);
	memset(&report, 0, sizeof(report));
	if (presence_decode(&limits_default, text, &report, &other))
		check_report(&report);
	else
		PROMISE(outcome_is_error(other.outcome));
	problem_finish(&problem);
	problem_finish(&other);
	fuzz_free(text);
}
