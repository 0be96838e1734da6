/* Tokens for the browsers of an application's customers: POST /api/jobs/:job/tokens, ?token= of
 * POST /api/jobs, and their revocation. */
#include "tokens.h"

#include <stdlib.h>

#include "access_grants.h"
#include "audit.h"
#include "http_store.h"
#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "joblight/core/token_request.h"
#include "net/loop_private.h"
#include "router.h"

/*
 * Who creates jobs may let others watch them and report on them; otherwise a token has a part of
 * the rights of its maker.
 */
static enum right may_give(const struct conn *c)
{
	enum right own = c->credential ? credential_rights(c->credential) : RIGHT_ALL;

	return own & RIGHT_CREATE ? own | RIGHT_WATCH | RIGHT_REPORT : own;
}

static bool check(const struct conn *c, enum right rights, struct problem *problem)
{
	enum right missing = rights & ~may_give(c);
	struct buf names = { 0 };

	if (c->credential && c->credential->kind != CREDENTIAL_KEY)
		return problem_set(problem, OUTCOME_FORBIDDEN,
		                   "tokens are made with a key, not with a token");
	if (!missing)
		return true;
	right_describe(&names, missing);
	problem_set(problem, OUTCOME_FORBIDDEN, "the key cannot give what it does not have: %s",
	            buf_string(&names));
	buf_finish(&names);
	return false;
}

static struct credential *credential_for(const struct conn *c, const struct token_request *want,
                                         const char *job_id, struct token *t)
{
	struct credential *k = grant_part(c, RIGHT_ALL, job_id, t->expires);

	k->key.rights = want->rights;
	credential_identify(k, k->key.id, slice_of(want->subject ? want->subject : t->id));
	if (want->commands)
		k->commands = xstrdup(want->commands);
	if (want->subject) {
		free(k->key.name);
		k->key.name = xstrdup(want->subject);
	}
	return k;
}

/* Appends the members of an object: the token and what it is for. */
static void add_token(const struct conn *c, const struct token_request *want, const char *job_id,
                      struct buf *out)
{
	int64_t now = clock_shared_ms();
	struct token t = { .kind = TOKEN_ACCESS,
		           .issued = now,
		           .expires = (now / 1000 + want->seconds) * 1000 };

	token_identify(&t, random_bytes);
	t.credential = credential_for(c, want, job_id, &t);
	t.expires = t.credential->key.expires;
	buf_text(out, "\"token\":\"");
	token_encode(out, &t, c->loop->keyring);
	buf_text(out, "\",\"tokenExpiresAt\":");
	json_time(out, t.expires);
	buf_text(out, ",\"scope\":[");
	right_encode(out, want->rights);
	buf_char(out, ']');
	audit_token(c, "create_token", &t, job_id);
	credential_release(t.credential);
}

/* The job exists.  The body was checked before. */
static void answer(struct conn *c, struct read_result *job)
{
	struct token_request want;
	struct problem unused = { 0 };
	struct buf body = { 0 };
	char job_id[ID_MAX + 1];

	(void)job;
	id_copy(job_id, c->request->params[0]);
	token_request_decode(c->loop->limits, buf_as_slice(&c->request->body), &want, &unused);
	buf_char(&body, '{');
	add_token(c, &want, job_id, &body);
	buf_char(&body, '}');
	token_request_finish(&want);
	reply_json_taken(c, OUTCOME_CREATED, "Cache-Control: no-store\r\n", &body);
}

void tokens_issue(struct conn *c, struct request *r)
{
	struct read_query q = { .kind = READ_HEAD };
	struct problem problem = { 0 };
	struct token_request want;

	if (token_request_decode(c->loop->limits, buf_as_slice(&r->body), &want, &problem) &&
	    check(c, want.rights, &problem)) {
		id_copy(q.job_id, r->params[0]);
		http_read(c, &q, answer);
	} else {
		audit_refusal(c, r, problem.outcome);
		reply_problem(c, &problem, "");
	}
	token_request_finish(&want);
	problem_finish(&problem);
}

/* DELETE /api/session: the token that the request shows is revoked before its end. */
void tokens_revoke(struct conn *c, struct request *r)
{
	const struct credential *k = c->credential;

	if (!k || c->source != ACCESS_HEADER || k->kind != CREDENTIAL_TOKEN || !k->token_id[0]) {
		audit_refusal(c, r, OUTCOME_FORBIDDEN);
		reply_refuse(c, OUTCOME_FORBIDDEN,
		             "only a token of this server revokes itself; keys are revoked with "
		             "DELETE /api/keys, sessions with POST /logout");
		return;
	}
	struct op *op = op_create(OP_TOKEN_REVOKE);
	memcpy(op->token.id, k->token_id, sizeof(op->token.id));
	op->token.expires = k->key.expires;
	http_submit(c, op);
}

/* ---- the token of a new job ---- */

/* ?token=watch, or ?token=watch,report. */
static bool read_argument(const struct request *r, enum right *rights, struct problem *problem)
{
	struct slice list, word;
	enum right right;

	*rights = RIGHT_NONE;
	if (!request_arg(r, "token", &list))
		return true;
	while (request_next_word(&list, &word)) {
		if (!right_parse(word, &right))
			return problem_set(problem, OUTCOME_BAD_REQUEST,
			                   "token must be a list of %s", right_names());
		*rights |= right;
	}
	return *rights || problem_set(problem, OUTCOME_BAD_REQUEST, "token must be a list of %s",
	                              right_names());
}

bool tokens_check_new_job(const struct conn *c, const struct request *r, struct problem *problem)
{
	enum right rights;

	return read_argument(r, &rights, problem) && (!rights || check(c, rights, problem));
}

bool tokens_add_to_new_job(const struct conn *c, struct slice job_id, struct buf *body)
{
	struct token_request want = { .seconds = TOKEN_SECONDS_DEFAULT };
	struct problem unused = { 0 };
	char id[ID_MAX + 1];

	if (!read_argument(c->request, &want.rights, &unused) || !want.rights)
		return false;
	id_copy(id, job_id);
	body->ptr[body->len - 1] = ',';
	add_token(c, &want, id, body);
	buf_char(body, '}');
	return true;
}
