#include "request_record.h"

#include <stdlib.h>

#include "dispatch.h"
#include "joblight/base/clock.h"
#include "joblight/base/log_line.h"
#include "joblight/base/log_output.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/answer.h"
#include "loop_private.h"
#include "request_span.h"

void record_begin(struct conn *c)
{
	const struct request *r = c->request;

	const struct loops_config *config = &c->loop->loops->config;
	char traceparent[TRACEPARENT_LEN + 1] = "";

	if (c->record || (!config->log_requests && !config->spans))
		return;
	if (r)
		traceparent_parse(r->headers[HEADER_TRACEPARENT], traceparent);
	bool is_traced = span_is_wanted(c->loop, traceparent);
	if (!is_traced && !config->log_requests)
		return;
	c->record = xcalloc(1, sizeof(*c->record));
	c->record->began_us = clock_monotonic_us();
	c->record->is_traced = is_traced;
	memcpy(c->record->traceparent, traceparent, sizeof(traceparent));
	if (!r)
		return;
	c->record->method = method_text(r->head ? METHOD_HEAD : r->method);
	memcpy(c->record->request_id, r->id, sizeof(r->id));
}

/* Noting. */

static bool may_show_path(const struct conn *c, int status)
{
	const struct loop *l = c->loop;
	bool open = keyring_is_open(l->keyring) && !l->issuer;

	return open || c->credential ||
	       (status < 400 && !request_is_below(c->request, l->dispatch->free_path));
}

/* Ids of routes are concealed where the client may not know of the job: see model.h. */
static void note_id(char out[ID_MAX + 1], struct slice param)
{
	char id[ID_MAX + 1];

	out[0] = '\0';
	if (!param.len || param.len > ID_MAX)
		return;
	memcpy(id, param.ptr, param.len);
	id[param.len] = '\0';
	id_reveal(out, id);
	if (!id_valid(slice_of(out)))
		out[0] = '\0';
}

void record_note(struct conn *c, int status)
{
	struct request_record *record = c->record;
	const struct request *r = c->request;

	if (!record)
		return;
	record->status = status;
	if (!r)
		return;
	record->route = c->loop->dispatch->route_of(r);
	free(record->path);
	record->path = NULL;
	if (!may_show_path(c, status))
		return;
	record->path = xmemdup(r->path.ptr, r->path.len);
	if (!record->route || !strstr(record->route, "/:job"))
		return;
	note_id(record->job_id, r->params[0]);
	note_id(record->task_id, r->params[1]);
}

static void note_task(struct request_record *record, const struct op *op)
{
	if (op->task_count == 1 && !record->task_id[0])
		note_id(record->task_id, op->tasks->id);
}

void record_note_stream(struct conn *c, int status)
{
	record_note(c, status);
	if (c->record)
		c->record->is_stream = true;
}

void record_note_op(struct conn *c, const struct op *op)
{
	struct request_record *record = c->record;

	if (!record || outcome_is_error(op->problem.outcome))
		return;
	if (op->kind == OP_JOB_CREATE)
		note_id(record->job_id, answer_job_id(op));
	note_task(record, op);
	record->replayed = op->replayed;
	record->seq = op->seq_last;
	record->committed_us = op->committed_us;
}

/* The line. */

static const char *text_or_none(const char *text)
{
	return text && text[0] ? text : NULL;
}

static void add_client(struct log_line *line, const struct client_address *a)
{
	char client[CLIENT_ADDRESS_TEXT];

	client_address_format(a, client);
	log_line_text(line, "client", client);
}

static void add_credential(struct log_line *line, const struct credential *by)
{
	log_line_text(line, "key", CREDENTIAL_TEXT(by, key.id));
	log_line_text(line, "token", CREDENTIAL_TEXT(by, token_id));
	log_line_text(line, "name", CREDENTIAL_TEXT(by, key.name));
}

static void write_line(struct log_line *line)
{
	log_line_end(line);
	log_output_write(buf_as_slice(&line->text), LOG_WEIGHT_BULK);
	buf_finish(&line->text);
}

static void log_record(const struct conn *c, bool complete)
{
	const struct request_record *record = c->record;
	struct log_line line;

	log_line_begin(&line, LOG_TO_STDERR, LOG_LEVEL_INFO, "request");
	log_line_text(&line, "method", record->method);
	log_line_text(&line, "route", record->route);
	log_line_text(&line, "path", record->path);
	if (record->status)
		log_line_number(&line, "status", (uint64_t)record->status);
	log_line_number(&line, "bytes", record->bytes);
	log_line_number(&line, "duration_us", clock_monotonic_us() - record->began_us);
	if (!complete)
		log_line_true(&line, "unfinished");
	add_client(&line, &c->address);
	add_credential(&line, c->credential);
	log_line_text(&line, "request", text_or_none(record->request_id));
	log_line_text(&line, "job", text_or_none(record->job_id));
	log_line_text(&line, "task", text_or_none(record->task_id));
	if (record->traceparent[0])
		log_line_slice(&line, "trace", traceparent_trace_id(record->traceparent));
	write_line(&line);
}

void record_end(struct conn *c, bool complete)
{
	if (!c->record)
		return;
	if (c->loop->loops->config.log_requests)
		log_record(c, complete || c->record->is_stream);
	if (c->record->is_traced)
		span_of_record(c, c->record);
	free(c->record->path);
	free(c->record);
	c->record = NULL;
}

void record_arrival(const struct loop *l, const struct arrival *a, const struct request *r,
                    enum outcome o)
{
	struct log_line line;

	if (!l->loops->config.log_requests)
		return;
	log_line_begin(&line, LOG_TO_STDERR, LOG_LEVEL_INFO, "request");
	if (r)
		log_line_text(&line, "method", method_text(r->head ? METHOD_HEAD : r->method));
	log_line_number(&line, "status", (uint64_t)outcome_status(o));
	add_client(&line, &a->peer);
	write_line(&line);
}
