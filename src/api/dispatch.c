/* How a request gets to its handler. */
#include "net/dispatch.h"

#include "context.h"
#include "http_store.h"
#include "net/capacity.h"
#include "origin_check.h"
#include "router.h"
#include "transport/websocket.h"

static void run(struct conn *c, struct request *r)
{
	struct problem problem = { 0 };
	struct buf allow = { 0 }, lines = { 0 };

	if (!origin_check(&api_of(c)->origin_rules, r, ORIGIN_REQUEST, &problem)) {
		reply_problem(c, &problem, "");
	} else if (router_find(r, &allow, &problem)) {
		router_dispatch(c, r);
	} else {
		if (allow.len)
			buf_format(&lines, "Allow: %s\r\n", buf_string(&allow));
		reply_problem(c, &problem, buf_string(&lines));
	}
	buf_finish(&allow);
	buf_finish(&lines);
	problem_finish(&problem);
}

static const struct transport *upgrade(struct conn *c, const struct request *r,
                                       struct problem *problem)
{
	if (!origin_check(&api_of(c)->origin_rules, r, ORIGIN_WEBSOCKET, problem))
		return NULL;
	if (!slice_is(r->path, "/api/ws")) {
		problem_set(problem, OUTCOME_NOT_FOUND, "the WebSocket is at /api/ws");
		return NULL;
	}
	return ws_upgrade_wanted(r, problem) && capacity_takes_stream(c, problem) ? &websocket
	                                                                          : NULL;
}

const struct dispatch api_dispatch = {
	.free_path = "/jobs/", /* what people type after it is looked up, and not found */
	.run = run,
	.answered = http_answered,
	.upgrade = upgrade,
};
