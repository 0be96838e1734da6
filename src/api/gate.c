#include "gate.h"

#include <strings.h>

#include "context.h"
#include "joblight/base/clock.h"
#include "net/access.h"
#include "origin_check.h"
#include "router.h"

#define RIGHT_WRITE (RIGHT_ALL & ~RIGHT_WATCH)

static bool is_open(const struct conn *c)
{
	return keyring_is_open(c->loop->keyring);
}

/* RFC 6750 section 2.1; the scheme in any case (RFC 9110 section 11.1). */
static struct slice bearer_of(const struct request *r)
{
	struct slice text = r->headers[HEADER_AUTHORIZATION];

	if (text.len < 7 || strncasecmp(text.ptr, "Bearer ", 7) != 0)
		return (struct slice){ 0 };
	return slice_trimmed((struct slice){ text.ptr + 7, text.len - 7 });
}

bool gate_enter(struct conn *c, const struct request *r, struct problem *problem)
{
	enum right rights = RIGHT_NONE;

	if (is_open(c)) {
		bool ok = origin_rights(&api_of(c)->origin_rules, r, &rights, problem);
		access_grant(c, NULL, rights);
		return ok;
	}
	struct credential *found = keyring_find(c->loop->keyring, bearer_of(r), clock_wall_ms());
	access_grant(c, found, found ? credential_rights(found) : RIGHT_NONE);
	return true;
}

static bool refuse(const struct conn *c, enum right need, struct problem *problem)
{
	struct buf names = { 0 };

	if (is_open(c))
		return origin_forbidden(c->request, problem);
	if (!c->credential)
		return problem_set(problem, OUTCOME_UNAUTHORIZED,
		                   "send a key that is in force: Authorization: Bearer jl_…");
	right_describe(&names, need);
	problem_set(problem, OUTCOME_FORBIDDEN, "the key has no right to do this: it needs %s",
	            buf_string(&names));
	buf_finish(&names);
	return false;
}

bool gate_admits(const struct conn *c, enum right need, char *job_id, struct problem *problem)
{
	if (need && !(need & c->rights))
		return refuse(c, need, problem);
	if (job_id && job_id[0] && !is_open(c) &&
	    !(c->credential && credential_covers(c->credential, job_id)))
		id_conceal(job_id);
	return true;
}

/* Keys give rights over any job, so they are managed with a key for all jobs. */
static bool is_for_all_jobs(const struct conn *c, struct problem *problem)
{
	return !c->credential || credential_covers(c->credential, "*") ||
	       problem_set(problem, OUTCOME_FORBIDDEN, "keys are managed with a key for all jobs");
}

bool gate_admits_request(const struct conn *c, struct request *r, enum right need,
                         struct problem *problem)
{
	char job_id[ID_MAX + 1] = "";

	if (r->route && r->route->rights == RIGHT_ADMIN && !strstr(r->route->path, "/:job"))
		return gate_admits(c, need, NULL, problem) && is_for_all_jobs(c, problem);
	if (r->route && strstr(r->route->path, "/:job") && r->params[0].len <= ID_MAX)
		id_copy(job_id, r->params[0]);
	if (!gate_admits(c, need, job_id, problem))
		return false;
	if (job_id[0])
		((char *)(uintptr_t)r->params[0].ptr)[0] = job_id[0];
	return true;
}

static bool only_ends(const struct op *op)
{
	return op->has_status && job_status_terminal(op->status) && !op->has_title &&
	       !op->has_metadata && !op->has_silence;
}

bool gate_admits_op(const struct conn *c, const struct op *op, struct problem *problem)
{
	const struct credential *k = c->credential;

	if (!k)
		return true;
	if (op->kind == OP_JOB_PATCH && !(c->rights & RIGHT_CONTROL) && !only_ends(op))
		return problem_set(problem, OUTCOME_FORBIDDEN,
		                   "the key may only end the job: it needs control to change it");
	/* A generated id is as good as any: only a key for all jobs matches it. */
	if (op->kind == OP_JOB_CREATE && !credential_covers(k, op->job_id[0] ? op->job_id : "*"))
		return problem_set(problem, OUTCOME_FORBIDDEN,
		                   "the key creates jobs whose id matches %s only", k->key.jobs);
	return true;
}

bool gate_admits_socket(const struct conn *c, struct problem *problem)
{
	return (c->credential || (RIGHT_WRITE & c->rights)) || refuse(c, RIGHT_WATCH, problem);
}
