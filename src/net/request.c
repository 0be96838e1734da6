#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/answer.h"
#include "loop_private.h"
#include "transport/websocket.h"

const char *method_text(enum method m)
{
#define METHOD_TEXT(name) #name,
	static const char *const texts[] = { METHODS(METHOD_TEXT) };
#undef METHOD_TEXT
	return texts[m];
}

void request_free(struct request *r)
{
	if (!r)
		return;
	buf_finish(&r->text);
	buf_finish(&r->body);
	free(r);
}

/* Query arguments. */

bool request_arg(const struct request *r, const char *name, struct slice *value)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < r->arg_count; i++) {
		struct slice arg = r->args[i];
		if (arg.len < len || memcmp(arg.ptr, name, len) != 0 ||
		    (arg.len > len && arg.ptr[len] != '='))
			continue;
		*value = (struct slice){ arg.ptr + len, arg.len - len };
		if (value->len) { /* behind the equals sign */
			value->ptr++;
			value->len--;
		}
		return true;
	}
	return false;
}

static void skip(struct slice *text, size_t len)
{
	text->ptr += len;
	text->len -= len;
}

static void skip_any(struct slice *text, const char *bytes)
{
	while (text->len && strchr(bytes, *text->ptr))
		skip(text, 1);
}

/* Takes the next entity tag off the list, without its W/, because the comparison is weak.  False:
 * there is none. */
static bool next_tag(struct slice *list, struct slice *tag)
{
	skip_any(list, " \t,");
	if (list->len > 2 && memcmp(list->ptr, "W/", 2) == 0)
		skip(list, 2);
	const char *end = list->len > 1 && *list->ptr == '"'
	                      ? memchr(list->ptr + 1, '"', list->len - 1)
	                      : NULL;
	if (!end)
		return false;
	*tag = (struct slice){ list->ptr, (size_t)(end - list->ptr) + 1 };
	skip(list, tag->len);
	return true;
}

bool request_has_etag(const struct request *r, const char *etag)
{
	struct slice list = r->headers[HEADER_IF_NONE_MATCH], tag;

	skip_any(&list, " \t");
	if (list.len && *list.ptr == '*') {
		skip(&list, 1);
		skip_any(&list, " \t");
		return !list.len;
	}
	while (next_tag(&list, &tag))
		if (slice_is(tag, etag))
			return true;
	return false;
}

static bool parse_number(struct slice text, uint64_t *value)
{
	*value = 0;
	if (!text.len || text.len > 19)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		*value = *value * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	return true;
}

bool request_number(const struct request *r, const char *name, uint64_t standard, uint64_t least,
                    uint64_t most, uint64_t *value, struct problem *problem)
{
	struct slice text;

	*value = standard;
	if (!request_arg(r, name, &text))
		return true;
	if (parse_number(text, value) && *value >= least && *value <= most)
		return true;
	return problem_set(problem, OUTCOME_BAD_REQUEST,
	                   "%s must be a whole number from %llu to %llu", name,
	                   (unsigned long long)least, (unsigned long long)most);
}

/* Answers. */

const char *http_date(void)
{
	static _Thread_local char text[40];
	static _Thread_local time_t at;
	time_t now = time(NULL);
	struct tm utc;

	if (now != at) {
		at = now;
		gmtime_r(&now, &utc);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc);
	}
	return text;
}

const char *http_refusal_lines(enum outcome o)
{
	if (o == OUTCOME_METHOD_NOT_ALLOWED)
		return "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
	return o == OUTCOME_UPGRADE_REQUIRED ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	                                     : "";
}

/* Writes. */

bool http_idempotency_key(const struct request *r, struct op *op, struct problem *problem)
{
	struct slice key = r->headers[HEADER_IDEMPOTENCY_KEY];

	if (!key.ptr)
		return true;
	bool ok = key.len >= 1 && key.len <= KEY_MAX;
	for (size_t i = 0; ok && i < key.len; i++)
		ok = key.ptr[i] > ' ' && key.ptr[i] < 0x7f;
	if (!ok)
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "Idempotency-Key must be 1 to %d visible ASCII characters",
		                   KEY_MAX);
	memcpy(op->key, key.ptr, key.len);
	op->key[key.len] = '\0';
	return true;
}

void http_submit(struct conn *c, struct op *op)
{
	op->loop = c->loop;
	op->reply_to = c->id;
	if (c->loop->service->submit(c->loop->service->context, op))
		return;
	op_free(op);
	c->loop->counters.busy++;
	reply_refuse(c, OUTCOME_OVERLOADED,
	             "too many writes are waiting; repeat this one in a moment");
}

static void add_location(const struct op *op, struct buf *lines)
{
	buf_text(lines, "Location: /api/jobs/");
	buf_slice(lines, answer_job_id(op));
	buf_text(lines, "\r\n");
}

static void answer_op(struct conn *c, struct op *op)
{
	struct buf body = { 0 }, lines = { 0 };

	if (op->replayed)
		buf_text(&lines, "Idempotency-Replayed: true\r\n");
	if (outcome_is_error(op->problem.outcome)) {
		reply_problem(c, &op->problem, buf_string(&lines));
	} else if (op->problem.outcome == OUTCOME_NO_CONTENT) {
		reply_empty(c, op->problem.outcome, buf_string(&lines));
	} else {
		if (op->kind == OP_JOB_CREATE)
			add_location(op, &lines);
		answer_encode(&body, op, hub_watchers(c->loop->hub, op->job_id));
		reply_json_taken(c, op->problem.outcome, buf_string(&lines), &body);
	}
	buf_finish(&lines);
	buf_finish(&body);
}

void http_answer_op(struct conn *c, struct op *op)
{
	if (c && c->state == CONN_SOCKET) {
		ws_answer(c, op);
		return;
	}
	if (c && c->state == CONN_BUSY)
		answer_op(c, op);
	op_free(op);
}

/* Reads. */

struct http_read {
	struct read_request request; /* first */
	struct loop *loop;
	uint64_t reply_to;
	http_read_answer *answer;
};

static void read_done(struct read_request *request)
{
	struct http_read *r = (struct http_read *)request;
	struct conn *c = conn_find(r->loop, r->reply_to);

	if (c && c->state == CONN_BUSY) {
		c->reading = NULL;
		if (outcome_is_error(request->result->problem.outcome))
			reply_result_problem(c, request->result);
		else
			r->answer(c, request->result);
	}
	read_result_release(request->result);
	free(r);
}

void http_read(struct conn *c, const struct read_query *q, http_read_answer *answer)
{
	struct http_read *r = xcalloc(1, sizeof(*r));

	r->request.query = *q;
	r->request.loop = c->loop;
	r->request.done = read_done;
	atomic_init(&r->request.gone, false);
	r->loop = c->loop;
	r->reply_to = c->id;
	r->answer = answer;
	c->reading = &r->request;
	if (c->loop->service->read(c->loop->service->context, &r->request))
		return;
	c->reading = NULL;
	free(r);
	c->loop->counters.busy++;
	reply_refuse(c, OUTCOME_OVERLOADED,
	             "too many readers are waiting; repeat this in a moment");
}
