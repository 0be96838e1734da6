#include "session.h"

#include <strings.h>

#include "access_grants.h"
#include "audit.h"
#include "context.h"
#include "http_store.h"
#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/core/json.h"
#include "joblight/core/metric.h"
#include "joblight/core/token_request.h"
#include "net/loop_private.h"
#include "net/quota.h"
#include "origin_check.h"
#include "router.h"

#define CODE_MS 600000
#define NAME_HTTPS "__Host-joblight"
#define NAME_HTTPS_BELOW "__Secure-joblight" /* __Host- allows no path but / */
#define NAME_LOOPBACK "joblight"

/* ---- the cookie ---- */

enum place { PLACE_HTTPS, PLACE_LOOPBACK, PLACE_PLAIN };

static enum place place_of(const struct conn *c, const struct request *r)
{
	if (conn_is_https(c, r))
		return PLACE_HTTPS;
	return origin_host_is_loopback(r->headers[HEADER_HOST]) ? PLACE_LOOPBACK : PLACE_PLAIN;
}

static const char *name_at(const struct conn *c, enum place place)
{
	if (place != PLACE_HTTPS)
		return NAME_LOOPBACK;
	return api_of(c)->base_path[0] ? NAME_HTTPS_BELOW : NAME_HTTPS;
}

/* RFC 6265 section 4.2.1. */
static bool cookie_find(struct slice header, const char *name, struct slice *value)
{
	size_t len = strlen(name);

	while (header.len) {
		const char *end = memchr(header.ptr, ';', header.len);
		struct slice pair = { header.ptr, end ? (size_t)(end - header.ptr) : header.len };
		header.ptr += pair.len + (end != NULL);
		header.len -= pair.len + (end != NULL);
		pair = slice_trimmed(pair);
		if (pair.len > len && pair.ptr[len] == '=' && memcmp(pair.ptr, name, len) == 0) {
			*value = (struct slice){ pair.ptr + len + 1, pair.len - len - 1 };
			return true;
		}
	}
	return false;
}

static bool cookie_of(const struct conn *c, const struct request *r, struct slice *value)
{
	enum place place = place_of(c, r);

	return place != PLACE_PLAIN &&
	       cookie_find(r->headers[HEADER_COOKIE], name_at(c, place), value);
}

static void add_cookie(const struct conn *c, struct buf *lines, struct slice value, int64_t seconds)
{
	enum place place = place_of(c, c->request);

	const char *path = api_of(c)->base_path[0] ? api_of(c)->base_path : "/";

	buf_format(lines, "Set-Cookie: %s=", name_at(c, place));
	buf_slice(lines, value);
	buf_format(lines, "; Path=%s; Max-Age=%lld; HttpOnly; SameSite=Lax%s\r\n", path,
	           (long long)seconds, place == PLACE_HTTPS ? "; Secure" : "");
	buf_text(lines, "Cache-Control: no-store\r\n");
}

bool session_is_shown(const struct conn *c, const struct request *r)
{
	struct slice value;

	return cookie_of(c, r, &value);
}

struct credential *session_find(struct conn *c, const struct request *r, const char **fault)
{
	struct slice value;
	struct token t;

	if (!cookie_of(c, r, &value))
		return NULL;
	return token_decode(c->loop->keyring, TOKEN_SESSION, value, clock_shared_ms(), &t, fault)
	           ? t.credential
	           : NULL;
}

/* ---- logging in ---- */

/* Appends the members of an object. */
static void add_credential(const struct credential *k, struct buf *body)
{
	access_key_encode(body, &k->key);
	if (!k->commands)
		return;
	json_name(body, "commands");
	json_words(body, k->commands);
}

/* A server without keys, which trusts whoever can reach it. */
static void add_openness(const struct conn *c, struct buf *body)
{
	if (!access_is_open(c->loop))
		return;
	buf_text(body, ",\"open\":true");
	if (api_of(c)->insecure)
		buf_text(body, ",\"insecure\":true");
}

/* `maker`: the credential of the key, or of the code.  The session has its rights. */
static void begin(struct conn *c, const struct credential *maker)
{
	int64_t now = clock_shared_ms(), life = (int64_t)c->loop->limits->session_ms;
	struct token t = { .kind = TOKEN_SESSION, .issued = now, .expires = now + life };
	struct buf cookie = { 0 }, lines = { 0 }, body = { 0 };

	t.credential = credential_narrow(maker, RIGHT_ALL, NULL, t.expires);
	t.expires = t.credential->key.expires;
	token_identify(&t, random_bytes);
	token_encode(&cookie, &t, c->loop->keyring);
	add_cookie(c, &lines, buf_as_slice(&cookie), (t.expires - now) / 1000);
	audit_token(c, "log_in", &t, NULL);
	buf_char(&body, '{');
	add_credential(t.credential, &body);
	buf_char(&body, '}');
	reply_json_taken(c, OUTCOME_OK, buf_string(&lines), &body);
	credential_release(t.credential);
	buf_finish(&cookie);
	buf_finish(&lines);
}

static void login_with_key(struct conn *c, const char *text)
{
	const struct credential *key = keyring_find(c->loop->keyring, slice_of(text),
	                                            clock_shared_ms());

	struct problem problem = { .outcome = OUTCOME_UNAUTHORIZED,
		                   .detail = "this key is not in force" };

	if (key) {
		begin(c, key);
		return;
	}
	metric_count(METRIC_AUTH_FAILURES + LABEL_CREDENTIAL_LOGIN);
	quota_takes_wrong_key(c, &problem);
	audit_refusal(c, c->request, problem.outcome);
	reply_problem(c, &problem, http_refusal_lines(problem.outcome));
}

static void refuse_code(struct conn *c, const char *why)
{
	struct problem problem = { 0 };

	problem_set(&problem, OUTCOME_UNAUTHORIZED, "this link: %s; ask for a new one", why);
	metric_count(METRIC_AUTH_FAILURES + LABEL_CREDENTIAL_LOGIN);
	quota_takes_wrong_key(c, &problem);
	audit_refusal(c, c->request, problem.outcome);
	reply_problem(c, &problem, http_refusal_lines(problem.outcome));
	problem_finish(&problem);
}

/* The code is used up before the session begins, so that it begins only one. */
static void login_with_code(struct conn *c, const char *text)
{
	const char *fault;
	struct token t;

	if (!token_decode(c->loop->keyring, TOKEN_CODE, slice_of(text), clock_shared_ms(), &t,
	                  &fault)) {
		refuse_code(c, fault);
		return;
	}
	struct op *op = op_create(OP_CODE_USE);
	memcpy(op->token.id, t.id, sizeof(op->token.id));
	memcpy(op->access_key.id, t.credential->key.id, sizeof(op->access_key.id));
	op->token.expires = t.expires;
	credential_release(t.credential);
	http_submit(c, op);
}

/* A page of another origin must not log a browser in or out. */
static bool check_origin(struct conn *c, const struct request *r)
{
	struct problem problem = { 0 };

	if (origin_is_trusted(&api_of(c)->origin_rules, r))
		return true;
	origin_forbidden(r, &problem);
	audit_refusal(c, r, problem.outcome);
	reply_problem(c, &problem, "");
	return false;
}

static void forbid(struct conn *c, const char *why)
{
	audit_refusal(c, c->request, OUTCOME_FORBIDDEN);
	reply_refuse(c, OUTCOME_FORBIDDEN, "%s", why);
}

static bool check_login(struct conn *c, const struct request *r)
{
	if (access_is_open(c->loop))
		reply_refuse(c, OUTCOME_NOT_FOUND,
		             "this server has no keys, so there is nothing to log in to");
	else if (place_of(c, r) == PLACE_PLAIN)
		forbid(c, "log in over https: over http, anybody on the way could read the key "
		          "and the session");
	else
		return check_origin(c, r);
	return false;
}

void session_login(struct conn *c, struct request *r)
{
	struct login_request login;
	struct problem problem = { 0 };

	if (!check_login(c, r))
		return;
	if (!login_request_decode(c->loop->limits, buf_as_slice(&r->body), &login, &problem))
		reply_problem(c, &problem, "");
	else if (login.key)
		login_with_key(c, login.key);
	else
		login_with_code(c, login.code);
	login_request_finish(&login);
	problem_finish(&problem);
}

/* ---- the end ---- */

static void clear_cookie(struct conn *c)
{
	struct buf lines = { 0 };

	add_cookie(c, &lines, (struct slice){ 0 }, 0);
	reply_empty(c, OUTCOME_NO_CONTENT, buf_string(&lines));
	buf_finish(&lines);
}

void session_logout(struct conn *c, struct request *r)
{
	const char *fault;

	if (!check_origin(c, r))
		return;
	/* its own look at the cookie, because a bearer takes precedence over it */
	struct credential *k = session_find(c, r, &fault);
	if (!k) {
		clear_cookie(c);
		return;
	}
	struct op *op = op_create(OP_SESSION_END);
	memcpy(op->token.id, k->token_id, sizeof(op->token.id));
	op->token.expires = k->key.expires;
	credential_release(k);
	http_submit(c, op);
}

void session_answered(struct conn *c, struct op *op)
{
	const struct credential *key = keyring_get(c->loop->keyring, op->access_key.id);

	bool revoked = op->problem.outcome == OUTCOME_NO_CONTENT ||
	               op->problem.outcome == OUTCOME_UNAUTHORIZED; /* before */

	if (op->kind == OP_SESSION_END && revoked)
		clear_cookie(c);
	else if (op->problem.outcome == OUTCOME_UNAUTHORIZED)
		refuse_code(c, "it was used");
	else if (outcome_is_error(op->problem.outcome))
		reply_problem(c, &op->problem, "");
	else if (key && !credential_is_over(key, clock_shared_ms()))
		begin(c, key);
	else
		refuse_code(c, "its key is not in force");
	op_free(op);
}

/* ---- links ---- */

/* POST /api/login-codes: for `joblight login-link`. */
void session_make_code(struct conn *c, struct request *r)
{
	int64_t now = clock_shared_ms();
	struct token t = { .kind = TOKEN_CODE, .issued = now, .expires = now + CODE_MS };
	struct buf body = { 0 };

	(void)r;
	if (!c->credential || c->credential->kind != CREDENTIAL_KEY) {
		forbid(c, "a link that logs in is made with a key");
		return;
	}
	t.credential = credential_narrow(c->credential, RIGHT_ALL, NULL, t.expires);
	t.expires = t.credential->key.expires;
	token_identify(&t, random_bytes);
	buf_text(&body, "{\"code\":\"");
	token_encode(&body, &t, c->loop->keyring);
	buf_format(&body, "\",\"path\":\"%s/login\",\"expiresAt\":", api_of(c)->base_path);
	json_time(&body, t.expires);
	buf_char(&body, '}');
	audit_token(c, "create_code", &t, NULL);
	credential_release(t.credential);
	reply_json_taken(c, OUTCOME_CREATED, "Cache-Control: no-store\r\n", &body);
}

/* GET /api/session: who the client is. */
void session_get(struct conn *c, struct request *r)
{
	struct credential *k = c->credential ? credential_hold(c->credential)
	                                     : grant_part(c, c->rights, NULL, 0);
	struct buf body = { 0 };

	(void)r;
	buf_char(&body, '{');
	add_credential(k, &body);
	add_openness(c, &body);
	buf_char(&body, '}');
	credential_release(k);
	reply_json_taken(c, OUTCOME_OK, "Cache-Control: no-store\r\n", &body);
}
