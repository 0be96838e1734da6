#include "job_import.h"

#include <stdlib.h>

#include "audit.h"
#include "context.h"
#include "http_store.h"
#include "joblight/base/xalloc.h"
#include "net/ask.h"
#include "net/capacity.h"
#include "net/input.h"
#include "net/loop_private.h"
#include "net/transport.h"
#include "router.h"

struct import {
	char as[ID_MAX + 1];
	bool replace, keep_epoch;
	bool sent; /* the store has a part of it */
	bool stopping;
};

static struct op *an_op(const struct import *i, enum import_step step)
{
	struct op *op = op_create(OP_JOB_IMPORT);

	memcpy(op->job_id, i->as, sizeof(op->job_id));
	op->replace = i->replace;
	op->keep_epoch = i->keep_epoch;
	op->import_step = step;
	return op;
}

/* Nobody waits for the answer.  If the mailbox is full, the import gives its place up later. */
static void detach(struct conn *c)
{
	struct import *i = c->session;

	if (!i->sent)
		return;
	i->sent = false;
	struct op *op = an_op(i, IMPORT_DROP);
	if (!ask_write(c, op))
		op_free(op);
}

static void free_import(struct conn *c)
{
	free(c->session);
}

/* While a piece is with the store.  Between two pieces the loop refuses the rest by itself. */
static void stop(struct conn *c)
{
	((struct import *)c->session)->stopping = true;
}

static void half_closed(struct conn *c)
{
	(void)c; /* it still gets its answer */
}

static void send_piece(struct conn *c)
{
	struct import *i = c->session;
	struct request *r = c->request;
	struct op *op = an_op(i, r->complete ? IMPORT_LAST : IMPORT_PIECE);

	op->payload = r->body;
	r->body = (struct buf){ 0 };
	i->sent = true;
	http_submit(c, op);
}

static const struct transport transport = {
	.detach = detach,
	.free = free_import,
	.stop = stop,
	.half_closed = half_closed,
	.piece = send_piece,
};

static void finish(struct conn *c, struct op *op)
{
	struct buf lines = { 0 };

	buf_format(&lines, "Location: %s/api/jobs/%s\r\n", api_of(c)->base_path, op->job_id);
	reply_json(c, OUTCOME_CREATED, buf_string(&lines),
	           (struct slice){ op->body.ptr, op->body.len - 1 });
	buf_finish(&lines);
}

void job_import_answered(struct conn *c, struct op *op)
{
	struct import *i = c->session;

	if (outcome_is_error(op->problem.outcome)) {
		audit_refusal(c, c->request, op->problem.outcome);
		reply_problem(c, &op->problem, "");
	} else if (op->import_step == IMPORT_LAST) {
		i->sent = false;
		finish(c, op);
	} else if (i->stopping) {
		input_refuse(c, &capacity_stopping);
	} else {
		input_next_piece(c);
	}
	op_free(op);
}

/* ?as=ID, ?replace=true, ?keepEpoch=true */

static bool is_switch(const char *name, struct slice text, bool *on, struct problem *problem)
{
	*on = slice_is(text, "true");
	return *on || slice_is(text, "false") ||
	       problem_set(problem, OUTCOME_BAD_REQUEST, "%s must be true or false", name);
}

static bool read_switches(const struct request *r, struct import *i, struct problem *problem)
{
	struct slice text;

	if (request_arg(r, "replace", &text) && !is_switch("replace", text, &i->replace, problem))
		return false;
	return !request_arg(r, "keepEpoch", &text) ||
	       is_switch("keepEpoch", text, &i->keep_epoch, problem);
}

static bool read_id(const struct request *r, struct import *i, struct problem *problem)
{
	struct slice text;

	if (!request_arg(r, "as", &text))
		return true;
	if (!id_valid(text))
		return problem_set(problem, OUTCOME_INVALID_ID, "as is not the id of a job");
	id_copy(i->as, text);
	return true;
}

void job_import_post(struct conn *c, struct request *r)
{
	struct import *i = xcalloc(1, sizeof(*i));
	struct problem problem = { 0 };

	if (!read_id(r, i, &problem) || !read_switches(r, i, &problem) ||
	    !capacity_takes_stream(c, &problem)) {
		free(i);
		reply_problem(c, &problem, "");
		problem_finish(&problem);
		return;
	}
	c->transport = &transport;
	c->session = i;
	if (r->complete)
		send_piece(c);
	else
		input_next_piece(c);
}
