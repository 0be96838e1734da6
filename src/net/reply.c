#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "condition.h"
#include "connection.h"
#include "joblight/base/xalloc.h"
#include "connection_flow.h"
#include "dispatch.h"
#include "loop_private.h"
#include "quota.h"
#include "reply_parts.h"
#include "request_record.h"

#define JSON_TYPE "application/json"
#define PROBLEM_TYPE "application/problem+json"

/* Conditions. */

/* Whether the request has a condition that answers it, instead of this 200. */
static bool condition_answers(struct conn *c, int status, const char *headers)
{
	enum condition found = status == 200 && c->request ? condition_of(c->request, headers)
	                                                   : CONDITION_HOLDS;

	if (found == CONDITION_NOT_MODIFIED)
		reply_empty(c, OUTCOME_NOT_MODIFIED, headers);
	else if (found == CONDITION_FAILED)
		reply_refuse(c, OUTCOME_PRECONDITION_FAILED,
		             "If-Match does not have the current ETag");
	return found != CONDITION_HOLDS;
}

/* Creating. */

#define CHUNKED SIZE_MAX           /* the length of a body in chunks */
#define UNTIL_CLOSE (SIZE_MAX - 1) /* of one that ends with the connection (HTTP/1.0) */

/* HTTP/1.0 closes by default, HTTP/1.1 keeps the connection by default. */
static const char *connection_line(const struct conn *c)
{
	if (c->close_after)
		return "\r\nConnection: close\r\n";
	return c->request && c->request->http_1_0 ? "\r\nConnection: keep-alive\r\n" : "\r\n";
}

static void add_head(struct conn *c, struct buf *b, int status, const char *title, const char *type,
                     const char *headers, size_t len)
{
	char digits[16];

	buf_reserve(b, 256 + strlen(headers));
	snprintf(digits, sizeof(digits), "%d ", status);
	buf_text(b, "HTTP/1.1 ");
	buf_text(b, digits);
	buf_text(b, title);
	buf_text(b, "\r\nDate: ");
	buf_text(b, http_date());
	if (type) {
		buf_text(b, "\r\nContent-Type: ");
		buf_text(b, type);
	}
	if (len == CHUNKED) {
		buf_text(b, "\r\nTransfer-Encoding: chunked");
	} else if (status != 204 && status != 304 && len != UNTIL_CLOSE) {
		buf_text(b, "\r\nContent-Length: ");
		buf_u64(b, len);
	}
	buf_text(b, connection_line(c));
	quota_add_fields(c, b);
	buf_text(b, headers);
	if (c->request)
		reply_add_lines(c, b);
	buf_text(b, "\r\n");
}

void reply_add_lines(const struct conn *c, struct buf *lines)
{
	const struct loop *l = c->loop;

	if (c->request->id[0]) {
		buf_text(lines, "X-Request-Id: ");
		buf_text(lines, c->request->id);
		buf_text(lines, "\r\n");
	}
	l->dispatch->add_lines(l->settings->context, c->request, lines);
}

/*
 * Creates the answer with its head, for a body of `len` bytes.  The caller adds the body and sends
 * the answer.
 */
static struct reply *begin(struct conn *c, int status, const char *title, const char *type,
                           const char *headers, size_t len)
{
	struct reply *r = xcalloc(1, sizeof(*r));

	if (c->loop->stopping || (c->loop->retiring && c->tls) ||
	    (c->request && !c->request->keep_alive))
		c->close_after = true;
	quota_count_answer(c, status);
	record_note(c, status);
	reply_free(c->reply);
	c->reply = r;
	add_head(c, &r->head, status, title, type, headers, len);
	return r;
}

static bool wants_body(const struct conn *c)
{
	return !(c->request && c->request->head);
}

/* Snapshots are not counted, because they have a limit of their own. */
static size_t bytes_of_result(const struct read_result *r)
{
	return r && !r->snapshot ? r->text.len : 0;
}

/* Counts the bytes that a slow reader keeps in memory. */
static void count(struct conn *c, struct reply *r)
{
	r->counter = &c->loop->loops->replies;
	r->counted = r->head.len + r->tail.len + bytes_of_result(r->result);
	atomic_fetch_add(r->counter, r->counted);
}

/*
 * Whether an answer that keeps `len` bytes in memory is allowed.  An answer of one piece always is,
 * and so is the answer to a write, because the write has been done.  False: the answer is a 503.
 */
static bool has_room(struct conn *c, size_t len)
{
	uint64_t max = c->loop->limits->replies_bytes, held = atomic_load(&c->loop->loops->replies);

	if (len <= PIECE_BYTES || !wants_body(c) || !c->request ||
	    c->request->method != METHOD_GET || !max || !held || held + len <= max)
		return true;
	metric_count(METRIC_REFUSALS + LABEL_REASON_ANSWERS);
	reply_refuse(c, OUTCOME_OVERLOADED,
	             "too many large answers are being sent; try again in a moment");
	return false;
}

static void send_reply(struct conn *c, size_t len)
{
	count(c, c->reply);
	conn_widen(c, wants_body(c) ? len : 0);
	conn_reply_ready(c);
}

void reply_bytes(struct conn *c, int status, const char *title, const char *type,
                 const char *headers, struct slice body)
{
	struct reply *r = begin(c, status, title, type, headers, body.len);

	if (wants_body(c))
		buf_slice(&r->head, body);
	send_reply(c, body.len);
}

void reply_lasting_bytes(struct conn *c, int status, const char *title, const char *type,
                         const char *headers, struct slice body)
{
	if (condition_answers(c, status, headers))
		return;
	if (body.len <= PIECE_BYTES) { /* one piece */
		reply_bytes(c, status, title, type, headers, body);
		return;
	}
	struct reply *r = begin(c, status, title, type, headers, body.len);
	if (wants_body(c))
		r->body = body;
	send_reply(c, body.len);
}

void reply_head_only(struct conn *c, struct buf *head)
{
	record_note(c, 200);
	reply_free(c->reply);
	c->reply = xcalloc(1, sizeof(*c->reply));
	c->reply->head = *head;
	*head = (struct buf){ 0 };
	conn_reply_ready(c);
}

void reply_json_around(struct conn *c, enum outcome o, const char *headers, struct buf *before,
                       struct read_result *result, struct buf *after)
{
	struct slice body = read_result_json(result);
	size_t len = before->len + body.len + after->len + 1;

	if (condition_answers(c, outcome_status(o), headers) ||
	    !has_room(c, before->len + after->len + bytes_of_result(result))) {
		buf_finish(before);
		buf_finish(after);
		return;
	}
	struct reply *r = begin(c, outcome_status(o), outcome_title(o), JSON_TYPE, headers, len);

	if (wants_body(c)) {
		buf_char(after, '\n');
		buf_slice(&r->head, buf_as_slice(before));
		if (body.len <= PIECE_BYTES) { /* one piece */
			buf_slice(&r->head, body);
			buf_slice(&r->head, buf_as_slice(after));
		} else {
			read_result_hold(result);
			r->result = result;
			r->body = body;
			r->tail = *after;
			*after = (struct buf){ 0 };
		}
	}
	buf_finish(before);
	buf_finish(after);
	send_reply(c, len);
}

void reply_json_shared(struct conn *c, enum outcome o, const char *headers,
                       struct read_result *result)
{
	struct buf none = { 0 }, nothing = { 0 };

	reply_json_around(c, o, headers, &none, result, &nothing);
}

static void reply_text(struct conn *c, enum outcome o, const char *type, const char *headers,
                       struct slice json)
{
	struct reply *r = begin(c, outcome_status(o), outcome_title(o), type, headers,
	                        json.len + 1);

	if (wants_body(c)) {
		buf_slice(&r->head, json);
		buf_char(&r->head, '\n');
	}
	send_reply(c, json.len + 1);
}

void reply_json(struct conn *c, enum outcome o, const char *headers, struct slice body)
{
	if (!condition_answers(c, outcome_status(o), headers))
		reply_text(c, o, JSON_TYPE, headers, body);
}

/* Takes the body. */
static void send_taken(struct conn *c, enum outcome o, const char *type, const char *headers,
                       struct buf *body)
{
	size_t len = body->len;

	if (condition_answers(c, outcome_status(o), headers) || !has_room(c, len)) {
		buf_finish(body);
		return;
	}
	struct reply *r = begin(c, outcome_status(o), outcome_title(o), type, headers, len);
	if (wants_body(c))
		r->tail = *body;
	else
		buf_finish(body);
	*body = (struct buf){ 0 };
	send_reply(c, len);
}

void reply_json_taken(struct conn *c, enum outcome o, const char *headers, struct buf *body)
{
	if (body->len <= PIECE_BYTES || !wants_body(c)) {
		reply_json(c, o, headers, buf_as_slice(body));
		buf_finish(body);
		return;
	}
	buf_char(body, '\n');
	send_taken(c, o, JSON_TYPE, headers, body);
}

void reply_taken(struct conn *c, const char *type, const char *headers, struct buf *body)
{
	send_taken(c, OUTCOME_OK, type, headers, body);
}

/* Counts the piece instead of the one before. */
static void count_piece(struct conn *c, struct reply *r)
{
	if (r->counter)
		atomic_fetch_sub(r->counter, r->counted);
	r->counter = NULL;
	count(c, r);
}

static void add_piece(struct conn *c, struct reply *r, struct buf *piece, bool last)
{
	if (r->chunked && piece->len)
		buf_format(&r->head, "%zx\r\n", piece->len);
	buf_slice(&r->head, buf_as_slice(piece));
	buf_text(&r->head, r->chunked && piece->len ? "\r\n" : "");
	buf_text(&r->head, r->chunked && last ? "0\r\n\r\n" : "");
	buf_finish(piece);
	if (last)
		r->more = NULL;
	count_piece(c, r);
}

void reply_stream_begin(struct conn *c, const char *type, const char *headers, reply_more *more,
                        struct buf *piece, bool last)
{
	bool chunked = !c->request->http_1_0;
	size_t coming = piece->len;

	c->close_after |= !chunked;
	struct reply *r = begin(c, 200, "OK", type, headers, chunked ? CHUNKED : UNTIL_CLOSE);
	r->chunked = chunked;
	r->more = more;
	if (wants_body(c)) {
		add_piece(c, r, piece, last);
	} else {
		r->more = NULL;
		buf_finish(piece);
		count(c, r);
	}
	conn_widen(c, coming);
	conn_reply_ready(c);
}

void reply_stream_add(struct conn *c, struct buf *piece, bool last)
{
	struct reply *r = c->reply;

	r->head.len = r->offset = 0;
	r->part = PART_HEAD;
	conn_widen(c, piece->len);
	add_piece(c, r, piece, last);
	conn_reply_ready(c);
	loop_hurry(c->loop);
}

void reply_empty(struct conn *c, enum outcome o, const char *headers)
{
	reply_bytes(c, outcome_status(o), outcome_title(o), NULL, headers, (struct slice){ 0 });
}

void reply_problem(struct conn *c, const struct problem *p, const char *headers)
{
	struct buf body = { 0 }, lines = { 0 };
	char retry[HTTP_RETRY_MAX];

	metric_count(METRIC_ERRORS + p->outcome);
	problem_encode(p, &body);
	buf_text(&lines, PROBLEM_LINES);
	buf_text(&lines, headers);
	http_retry_after(p, retry);
	buf_text(&lines, retry);
	reply_text(c, p->outcome, PROBLEM_TYPE, buf_string(&lines), buf_as_slice(&body));
	buf_finish(&lines);
	buf_finish(&body);
}

/*
 * When load or rate is the reason, an EventSource gets an event, because it never reconnects after
 * a 503 or 429.
 */
static void refuse_with_event(struct conn *c, const struct problem *p)
{
	unsigned wait_ms = p->outcome == OUTCOME_STOPPING
	                       ? refusal_stopping_ms()
	                       : refusals_wait_ms(&c->loop->refusals, loop_now(c->loop));
	struct buf body = { 0 };

	refusal_encode(&body, p->outcome, wait_ms > p->wait_ms ? wait_ms : p->wait_ms);
	metric_count(METRIC_REFUSED_STREAMS);
	metric_count(METRIC_ERRORS + p->outcome);
	c->close_after = true;
	reply_bytes(c, 200, "OK", EVENT_STREAM, EVENT_STREAM_HEADERS, buf_as_slice(&body));
	buf_finish(&body);
}

void reply_stream_problem(struct conn *c, const struct problem *p)
{
	const struct request *r = c->request;

	if (!r->head && refusal_is_event(r->headers[HEADER_ACCEPT], p->outcome))
		refuse_with_event(c, p);
	else
		reply_problem(c, p, http_refusal_lines(p->outcome));
}

void reply_refuse(struct conn *c, enum outcome o, const char *format, ...)
{
	struct problem p = { .outcome = o };
	va_list args;

	va_start(args, format);
	vsnprintf(p.detail, sizeof(p.detail), format, args);
	va_end(args);
	reply_problem(c, &p, "");
}

void reply_result_problem(struct conn *c, const struct read_result *r)
{
	reply_problem(c, &r->problem, "");
}
