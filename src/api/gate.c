#include "gate.h"

#include <strings.h>

#include "context.h"
#include "joblight/core/metric.h"
#include "net/access.h"
#include "net/quota.h"
#include "net/refused.h"
#include "operator.h"
#include "origin_check.h"
#include "router.h"
#include "session.h"
#include "ticket.h"

/* RFC 6750 section 2.1; the scheme in any case (RFC 9110 section 11.1). */
static bool bearer_of(const struct request *r, struct slice *text)
{
	struct slice header = r->headers[HEADER_AUTHORIZATION];

	if (header.len < 7 || strncasecmp(header.ptr, "Bearer ", 7) != 0)
		return false;
	*text = slice_trimmed((struct slice){ header.ptr + 7, header.len - 7 });
	return true;
}

bool gate_shows_ticket(const struct request *r, struct slice *text)
{
	return !bearer_of(r, text) && ticket_of(r, text);
}

/*
 * The first that the request has: a header, which other pages cannot make a browser send; a ticket,
 * where one opens a stream; a cookie.
 */
static struct credential *find(struct conn *c, const struct request *r, enum access_source *source,
                               const char **fault)
{
	struct slice text;

	*source = ACCESS_HEADER;
	if (bearer_of(r, &text))
		return access_find(c, text, fault);
	*source = ACCESS_TICKET;
	if (ticket_of(r, &text))
		return ticket_use(c, r, text, fault);
	*source = ACCESS_COOKIE;
	return session_find(c, r, fault);
}

static void count_failure(const struct conn *c, const struct request *r, enum access_source source)
{
	struct slice text;

	if (bearer_of(r, &text))
		metric_count(METRIC_AUTH_FAILURES +
		             (unsigned)(text.len && memchr(text.ptr, '.', text.len)
		                            ? LABEL_CREDENTIAL_TOKEN
		                            : LABEL_CREDENTIAL_KEY));
	else if (source == ACCESS_TICKET)
		metric_count(METRIC_AUTH_FAILURES + LABEL_CREDENTIAL_TICKET);
	else if (session_is_shown(c, r))
		metric_count(METRIC_AUTH_FAILURES + LABEL_CREDENTIAL_COOKIE);
}

void gate_reset(struct conn *c)
{
	c->source = ACCESS_NONE;
	c->continues = false;
	c->fault = NULL;
	if (c->claim != CLAIM_GRANTED)
		c->ticket[0] = '\0';
	access_grant(c, NULL, RIGHT_NONE);
}

bool gate_enter(struct conn *c, const struct request *r, struct problem *problem)
{
	const struct origin_rules *rules = &api_of(c)->origin_rules;
	enum right rights = RIGHT_NONE;
	const char *fault = NULL;
	enum access_source source;
	struct slice bearer;

	if (access_is_open(c->loop)) {
		bool ok = origin_rights(rules, r, listen_is_unix(c->listen), &rights, problem);
		access_grant(c, NULL, rights);
		return ok;
	}
	struct credential *found = find(c, r, &source, &fault);
	if (found)
		rights = credential_rights(found);
	/* a page of another origin may make the browser send the cookie, but not read the answer */
	if (source == ACCESS_COOKIE && !origin_is_trusted(rules, r))
		rights &= r->method == METHOD_GET ? RIGHT_WATCH : RIGHT_NONE;
	access_grant(c, found, rights);
	c->source = found ? source : ACCESS_NONE;
	c->fault = fault;
	if (!found)
		count_failure(c, r, source);
	credential_release(found);
	return found || !bearer_of(r, &bearer) || quota_takes_wrong_key(c, problem);
}

static bool refuse_missing(const struct conn *c, struct problem *problem)
{
	return problem_set(problem, OUTCOME_UNAUTHORIZED, "%s%s%s%s", c->fault ? "the token: " : "",
	                   c->fault ? c->fault : "", c->fault ? "; " : "",
	                   "send a key or token that is in force: Authorization: Bearer jl_…");
}

static bool refuse(const struct conn *c, enum right need, struct problem *problem)
{
	struct buf names = { 0 };

	if (access_is_open(c->loop))
		return origin_forbidden(c->request, problem);
	if (!c->credential)
		return refuse_missing(c, problem);
	if (c->source == ACCESS_COOKIE && (credential_rights(c->credential) & need))
		return origin_forbidden(c->request, problem);
	right_describe(&names, need);
	problem_set(problem, OUTCOME_FORBIDDEN, "the key has no right to do this: it needs %s",
	            buf_string(&names));
	buf_finish(&names);
	return false;
}

/* `route` is NULL for a message of a WebSocket. */
static bool admits(const struct conn *c, enum right need, const char *route, char *job_id,
                   struct problem *problem)
{
	if (need && !(need & c->rights))
		return refuse(c, need, problem);
	if (job_id && job_id[0] && !access_is_open(c->loop) &&
	    !(c->credential && credential_covers(c->credential, job_id))) {
		refused_note(c, OUTCOME_NOT_FOUND, route, job_id);
		id_conceal(job_id);
	}
	return true;
}

bool gate_admits(const struct conn *c, enum right need, char *job_id, struct problem *problem)
{
	bool ok = admits(c, need, NULL, job_id, problem);

	if (!ok)
		refused_note(c, problem->outcome, NULL, job_id && job_id[0] ? job_id : NULL);
	return ok;
}

/* The metrics of the server are for its operators. */
static bool admits_operator(const struct conn *c, enum right need, const char *route,
                            struct problem *problem)
{
	if (operator_is_known(c, problem))
		return true;
	if (outcome_is_error(problem->outcome))
		return false;
	return admits(c, need, route, NULL, problem) &&
	       problem_set(problem, OUTCOME_FORBIDDEN, "this needs admin over all jobs");
}

/* Keys give rights over any job, so they are managed with a key for all jobs. */
static bool covers_all(const struct conn *c, struct problem *problem)
{
	return !c->credential || credential_covers(c->credential, "*") ||
	       problem_set(problem, OUTCOME_FORBIDDEN, "keys are managed with a key for all jobs");
}

bool gate_admits_request(const struct conn *c, struct request *r, enum right need,
                         struct problem *problem)
{
	enum route_over over = r->route ? r->route->over : OVER_ANY;
	char job_id[ID_MAX + 1] = "";

	const char *path = r->route ? r->route->path : "none";

	if (over == OVER_SERVER)
		return admits_operator(c, need, path, problem);
	if (over == OVER_ALL)
		return admits(c, need, path, NULL, problem) && covers_all(c, problem);
	if (over == OVER_JOB && r->params[0].len <= ID_MAX)
		id_copy(job_id, r->params[0]);
	if (!admits(c, need, path, job_id, problem))
		return false;
	if (job_id[0])
		((char *)(uintptr_t)r->params[0].ptr)[0] = job_id[0];
	return true;
}

bool gate_admits_op(const struct conn *c, const struct op *op, struct problem *problem)
{
	const struct credential *k = c->credential;

	if (!k)
		return true;
	if (op->kind == OP_COMMAND && !credential_may_command(k, op->command))
		return problem_set(problem, OUTCOME_FORBIDDEN,
		                   "the token may send only these commands: %s", k->commands);
	if (op->kind == OP_JOB_PATCH && k->commands)
		return problem_set(problem, OUTCOME_FORBIDDEN,
		                   "the token may only send commands: %s", k->commands);
	if (op->kind == OP_JOB_PATCH && !(c->rights & RIGHT_CONTROL) && !op_ends_job(op))
		return problem_set(problem, OUTCOME_FORBIDDEN,
		                   "the key may only end the job: it needs control to change it");
	/* A generated id is as good as any: only a key for all jobs matches it. */
	if (op->kind == OP_JOB_CREATE && !credential_covers(k, op->job_id[0] ? op->job_id : "*"))
		return problem_set(problem, OUTCOME_FORBIDDEN,
		                   "the key creates jobs whose id matches %s only", k->key.jobs);
	return true;
}

bool gate_admits_socket(const struct conn *c, const struct request *r, struct problem *problem)
{
	const struct origin_rules *rules = &api_of(c)->origin_rules;
	bool may = c->source == ACCESS_COOKIE ? origin_is_trusted(rules, r)
	                                      : origin_may_connect(rules, r);

	if (!may)
		return origin_forbidden(r, problem);
	return access_is_open(c->loop) || c->credential || refuse(c, RIGHT_WATCH, problem);
}
