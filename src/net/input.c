#include "input.h"

#include <assert.h>
#include <sys/socket.h>

#include "access.h"
#include "capacity.h"
#include "connection_flow.h"
#include "deadlines.h"
#include "dispatch.h"
#include "request_check.h"
#include "request_record.h"
#include "tls.h"
#include "loop_private.h"
#include "upgrade.h"

#define STREAM_BYTES (64 * 1024)       /* of a piece of a streamed body, roughly */
#define AHEAD_BYTES (16 * 1024)        /* maximum kept of pipelined requests */
#define LINGER_BYTES (8 * 1024 * 1024) /* maximum read and ignored of a refused body */

/* Refusing. */

void input_refuse(struct conn *c, const struct problem *p)
{
	c->close_after = true;
	c->state = CONN_DRAIN;
	record_begin(c);
	reply_problem(c, p, http_refusal_lines(p->outcome));
}

void input_late(struct conn *c)
{
	struct problem late = { .outcome = OUTCOME_REQUEST_TIMEOUT,
		                .detail = "the request was not complete in time" };

	if (c->state == CONN_DRAIN)
		conn_kill(c);
	else
		input_refuse(c, &late);
}

void input_linger(struct conn *c)
{
	c->state = CONN_DRAIN;
	if (c->tls && !conn_is_partial(c))
		tls_end(c->tls);
	if (conn_is_partial(c)) { /* called again when the buffered output is written */
		conn_hold_input(c);
		deadline_set(&c->loop->deadlines.closings, c,
		             loop_now(c->loop) + c->loop->limits->write_stall_ms);
		return;
	}
	request_free(c->request);
	c->request = NULL;
	buf_finish(&c->in);
	shutdown(lws_get_socket_fd(c->wsi), SHUT_WR);
	conn_release_input(c);
	deadline_set(&c->loop->deadlines.bodies, c, loop_now(c->loop) + deadline_body_ms(c->loop));
}

/* The body. */

static void complete_request(struct conn *c)
{
	c->state = CONN_BUSY;
	deadline_clear(c);
	list_move(&c->loop->turn.requests, &c->turn);
	loop_hurry(c->loop);
}

static void take_chunks(struct conn *c, struct slice *bytes)
{
	const struct limits *limits = c->loop->limits;
	struct request *r = c->request;
	struct problem p = { 0 };

	switch (chunked_take(&c->chunks, bytes, &r->body,
	                     r->streamed ? INT64_MAX : limits->body_bytes, limits->header_bytes)) {
	case CHUNKED_MORE:
		if (r->streamed && r->body.len >= STREAM_BYTES)
			complete_request(c);
		return;
	case CHUNKED_DONE:
		r->complete = true;
		complete_request(c);
		return;
	case CHUNKED_TOO_LARGE:
		problem_set(&p, OUTCOME_BODY_TOO_LARGE,
		            "a body may have %llu bytes, this one has more",
		            (unsigned long long)limits->body_bytes);
		break;
	case CHUNKED_BAD:
		problem_set(&p, OUTCOME_BAD_REQUEST, "the chunks of the body cannot be read");
	}
	input_refuse(c, &p);
}

static void take_body(struct conn *c, struct slice *bytes)
{
	struct request *r = c->request;

	assert(r);
	if (r->chunked) {
		take_chunks(c, bytes);
		return;
	}
	uint64_t missing = r->length - r->taken;
	size_t len = missing < bytes->len ? (size_t)missing : bytes->len;
	buf_add(&r->body, bytes->ptr, len);
	bytes->ptr += len;
	bytes->len -= len;
	r->taken += len;
	r->complete = len == missing;
	if (r->complete || (r->streamed && r->body.len >= STREAM_BYTES))
		complete_request(c);
}

/* The request runs before its body has come.  What is answered meanwhile ends the connection. */
static void begin_stream(struct conn *c, bool waits)
{
	c->chunks = (struct chunked){ 0 };
	c->close_after = true;
	c->request->expects_continue &= waits;
	c->request->complete = !c->request->length && !c->request->chunked;
	complete_request(c);
}

/* A client that has already sent some of its body is not waiting for "100 Continue". */
static void begin_body(struct conn *c, bool waits)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct request *r = c->request;

	c->state = CONN_BODY;
	c->chunks = (struct chunked){ 0 };
	buf_reserve(&r->body, (size_t)r->length);
	deadline_set(&c->loop->deadlines.bodies, c, loop_now(c->loop) + deadline_body_ms(c->loop));
	if (r->expects_continue && waits)
		conn_write(c, go_on, sizeof(go_on) - 1);
}

/* The head. */

static void begin_upgrade(struct conn *c, struct slice rest)
{
	struct problem p = { .outcome = OUTCOME_OVERLOADED,
		             .detail = "the server has no descriptor left" };

	if (upgrade_granted(c, c->request, &p) &&
	    (c->tls ? upgrade_framed(c, rest) : upgrade_later(c, rest)))
		return;
	capacity_uncount_stream(c);
	input_refuse(c, &p); /* conn_release() clears c->transport */
}

void input_check(struct conn *c, const struct request_head *head, struct problem *problem)
{
	access_grant(c, NULL, RIGHT_NONE);
	c->request = request_check(head, c->loop->limits, dispatch_paths(c->loop), problem);
	request_id_set(c->request, &c->loop->request_ids);
	c->request->upgrades = request_asks_upgrade(head);
	record_begin(c);
}

/* Decides what to do with a head; `rest` is what has arrived after it. */
static void begin_request(struct conn *c, const struct request_head *head, struct slice rest)
{
	struct problem p = { 0 };

	deadline_clear(c);
	c->close_after = false;
	input_check(c, head, &p);
	bool upgrades = c->request->upgrades;
	if (p.outcome) {
		input_refuse(c, &p);
	} else if (upgrades && !c->loop->dispatch->upgrade_waits(c, c->request)) {
		begin_upgrade(c, rest);
	} else if (!upgrades && c->request->streamed) {
		begin_stream(c, !rest.len);
	} else if (!upgrades && (c->request->length || c->request->chunked)) {
		begin_body(c, !rest.len);
	} else {
		complete_request(c);
	}
}

/* False: the head is incomplete. */
static bool take_head(struct conn *c, struct slice *bytes)
{
	struct request_head head;
	struct problem p = { 0 };

	switch (request_head_parse(*bytes, c->loop->limits, &head, &p)) {
	case HEAD_INCOMPLETE:
		return false;
	case HEAD_REFUSED:
		input_refuse(c, &p);
		return true;
	case HEAD_GOOD:
		break;
	}
	bytes->ptr += head.len;
	bytes->len -= head.len;
	begin_request(c, &head, *bytes);
	return true;
}

/* `rest` may be the end of c->in. */
static void keep_rest(struct conn *c, struct slice rest)
{
	if (!rest.len) {
		buf_finish(&c->in);
	} else if (rest.ptr >= c->in.ptr && rest.ptr < c->in.ptr + c->in.len) {
		memmove(c->in.ptr, rest.ptr, rest.len);
		c->in.len = rest.len;
	} else {
		buf_slice(&c->in, rest);
	}
	if (c->state == CONN_BUSY && c->in.len > AHEAD_BYTES)
		conn_hold_input(c);
}

void input_wait(struct conn *c, struct slice rest)
{
	complete_request(c);
	keep_rest(c, rest);
}

void input_upgrade(struct conn *c)
{
	struct buf ahead = c->in;

	c->in = (struct buf){ 0 };
	begin_upgrade(c, buf_as_slice(&ahead));
	buf_finish(&ahead);
}

/* The deadline of a head starts with its first byte. */
static void update_deadline(struct conn *c)
{
	struct loop *l = c->loop;

	if (!c->in.len)
		deadline_set(&l->deadlines.idles, c, loop_now(l) + l->limits->keepalive_ms);
	else if (!c->has_begun)
		deadline_set(&l->deadlines.heads, c, loop_now(l) + l->limits->header_timeout_ms);
	c->has_begun = c->in.len > 0;
}

static bool is_taking(const struct conn *c)
{
	return c->state == CONN_IDLE || c->state == CONN_BODY;
}

static void take(struct conn *c, struct slice bytes)
{
	while (bytes.len && is_taking(c)) {
		if (c->state == CONN_BODY)
			take_body(c, &bytes);
		else if (!take_head(c, &bytes))
			break;
	}
	if (!is_taking(c) && c->state != CONN_BUSY)
		return; /* refused or passed on: the rest is ignored */
	keep_rest(c, bytes);
	if (c->state == CONN_IDLE)
		update_deadline(c);
}

bool input_receive(struct conn *c, struct slice bytes)
{
	metric_add(METRIC_RECEIVED, bytes.len);
	if (c->state == CONN_DRAIN) {
		c->drained += bytes.len;
		return c->drained <= LINGER_BYTES;
	}
	if (!is_taking(c) && c->state != CONN_BUSY)
		return c->state == CONN_CLOSING;
	if (c->in.len) {
		buf_slice(&c->in, bytes);
		bytes = buf_as_slice(&c->in);
	}
	take(c, bytes);
	return true;
}

void input_next_piece(struct conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct request *r = c->request;
	struct buf ahead = c->in;

	r->body.len = 0;
	c->state = CONN_BODY;
	deadline_set(&c->loop->deadlines.bodies, c, loop_now(c->loop) + deadline_body_ms(c->loop));
	if (r->expects_continue)
		conn_write(c, go_on, sizeof(go_on) - 1);
	r->expects_continue = false;
	if (c->state != CONN_BODY) /* it could not be written */
		return;
	c->in = (struct buf){ 0 };
	take(c, buf_as_slice(&ahead));
	buf_finish(&ahead);
	if (c->state == CONN_BODY && c->ended)
		conn_close(c);
	else if (c->state == CONN_BODY)
		conn_release_input(c);
}

void input_next(struct conn *c)
{
	c->state = CONN_IDLE;
	c->has_begun = false;
	request_free(c->request);
	c->request = NULL;
	if (c->loop->moving)
		conn_hold_input(c); /* its next request is not for this process */
	else
		input_go_on(c);
}

void input_go_on(struct conn *c)
{
	take(c, buf_as_slice(&c->in));
	if (!is_taking(c))
		return;
	if (c->ended)
		conn_close(c);
	else
		conn_release_input(c);
}
