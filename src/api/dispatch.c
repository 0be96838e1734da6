/* Passes each request to its handler. */
#include "net/dispatch.h"

#include "audit.h"
#include "cors.h"
#include "gate.h"
#include "write.h"
#include "net/capacity.h"
#include "net/quota.h"
#include "router.h"
#include "ticket.h"
#include "ticket_claim.h"
#include "transport/websocket.h"

/* The rights of which a request without a route needs one.  One that only reads gets a 404. */
static enum right rights_of_method(enum method m)
{
	return m == METHOD_GET || m == METHOD_OPTIONS ? RIGHT_NONE : RIGHT_ALL & ~RIGHT_WATCH;
}

static void refuse(struct conn *c, const struct problem *problem, struct buf *allow)
{
	struct buf lines = { 0 };

	if (allow->len)
		buf_format(&lines, "Allow: %s\r\n", buf_string(allow));
	reply_problem(c, problem, buf_string(&lines));
	buf_finish(&lines);
}

/* What the client may do, and whether its limits allow the request. */
static bool enter(struct conn *c, const struct request *r, struct problem *problem)
{
	gate_reset(c);
	bool ok = quota_takes_request(c, r, problem) && gate_enter(c, r, problem) &&
	          quota_takes_key(c, problem);
	c->claim = CLAIM_UNKNOWN;
	return ok;
}

static void refuse_at_gate(struct conn *c, const struct request *r, const struct problem *problem)
{
	audit_refusal(c, r, problem->outcome);
	ticket_give_back(c);
	reply_stream_problem(c, problem);
}

/* `missing`: why there is no such route; its outcome is OK if there is one. */
static void run_route(struct conn *c, struct request *r, const struct problem *missing,
                      struct buf *allow)
{
	struct problem closed = { 0 };
	enum right need = r->route ? r->route->rights : rights_of_method(r->method);

	if (!gate_admits_request(c, r, need, &closed))
		refuse_at_gate(c, r, &closed);
	else if (outcome_is_error(missing->outcome))
		refuse(c, missing, allow);
	else
		router_dispatch(c, r);
	problem_finish(&closed);
}

/* The route is found first: a ticket is a credential only where it opens a stream. */
static void run_at_once(struct conn *c, struct request *r)
{
	struct problem missing = { 0 }, closed = { 0 };
	struct buf allow = { 0 };

	router_find(r, &allow, &missing);
	if (!enter(c, r, &closed))
		refuse_at_gate(c, r, &closed);
	else if (cors_is_preflight(r))
		cors_answer_preflight(c, r);
	else
		run_route(c, r, &missing, &allow);
	buf_finish(&allow);
	problem_finish(&missing);
	problem_finish(&closed);
}

/* A ticket is only looked for in requests that open streams, so the route must be known. */
static bool must_wait(struct conn *c, struct request *r)
{
	struct problem unused = { 0 };
	struct buf allow = { 0 };

	if (!ticket_claim_is_possible(c))
		return false;
	router_find(r, &allow, &unused);
	buf_finish(&allow);
	problem_finish(&unused);
	return ticket_claim_is_due(c, r);
}

static void run(struct conn *c, struct request *r)
{
	if (must_wait(c, r))
		ticket_claim(c, r);
	else
		run_at_once(c, r);
}

static const struct transport *upgrade(struct conn *c, const struct request *r,
                                       struct problem *problem)
{
	if (!enter(c, r, problem) || !gate_admits_socket(c, r, problem)) {
		audit_refusal(c, r, problem->outcome);
		ticket_give_back(c);
		return NULL;
	}
	if (!slice_is(r->path, "/api/ws")) {
		problem_set(problem, OUTCOME_NOT_FOUND, "the WebSocket is at /api/ws");
		return NULL;
	}
	if (ws_upgrade_wanted(r, problem) && capacity_takes_stream(c, problem))
		return &websocket;
	ticket_give_back(c);
	return NULL;
}

/* The upgrade to a WebSocket is no row. */
static const char *route_of(const struct request *r)
{
	if (r->route)
		return r->route->path;
	return slice_is(r->path, "/api/ws") ? "/api/ws" : NULL;
}

const struct dispatch api_dispatch = {
	.stream_path = "/api/imports",
	.free_path = "/jobs/", /* a mistyped job id gets the page that says "not found" */
	.route_of = route_of,
	.run = run,
	.upgrade_waits = must_wait,
	.answered = write_answered,
	.unanswered = write_unanswered,
	.upgrade = upgrade,
	.admits = gate_admits,
	.admits_op = gate_admits_op,
	.add_lines = cors_add_lines,
	.stream_refused = ticket_give_back,
};
