/*
 * Paths and queries, from the request line to the route and its parameters.
 *
 * covers: src/api/router.c src/net/request.c
 *
 * bar: 55 %, because router_dispatch() calls handlers, which need a server (fuzz_server), and
 *      request.c has the dates and lists of headers too (fuzz_head).
 *
 * The first byte is the method; the rest is the target.
 */
#include "fuzz.h"

#include "api/router.h"
#include "net/request_check.h"

static void check_route(struct request *r)
{
	struct buf allow = { 0 };
	struct problem problem = { 0 };
	uint64_t number;

	if (router_find(r, &allow, &problem)) {
		PROMISE(r->route && r->route->method == r->method);
		for (int i = 0; i < REQUEST_PARAMS; i++)
			PROMISE(!r->params[i].ptr || r->params[i].len);
	} else {
		PROMISE(outcome_is_error(problem.outcome));
		PROMISE((problem.outcome == OUTCOME_METHOD_NOT_ALLOWED) == (allow.len > 0));
	}
	problem_finish(&problem);
	if (request_number(r, "limit", 50, 1, 200, &number, &problem))
		PROMISE(number >= 1 && number <= 200);
	else
		PROMISE(outcome_is_error(problem.outcome));
	problem_finish(&problem);
	buf_finish(&allow);
}

static void add_head(struct buf *text, uint8_t method, struct slice target)
{
	buf_text(text, method_text((enum method)(method % METHOD_COUNT)));
	buf_char(text, ' ');
	buf_slice(text, target);
	buf_text(text, " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
}

void fuzz_one(struct slice input)
{
	uint8_t method = fuzz_byte(&input);
	struct buf text = { 0 };
	struct problem problem = { 0 };
	struct request_head head;

	add_head(&text, method, input);
	if (request_head_parse(buf_as_slice(&text), &limits_default, &head, &problem) ==
	    HEAD_GOOD) {
		struct request *r = request_check(
		    &head, &limits_default, (struct server_paths){ "", "/jobs/", "/api/imports" },
		    &problem);
		if (r) {
			check_route(r);
			request_free(r);
		}
	}
	problem_finish(&problem);
	buf_finish(&text);
}
