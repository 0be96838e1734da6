#include "joblight/core/token.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/base64url.h"
#include "joblight/base/jws.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "jwt.h"

#define NOT_OURS "it was not made by this server, or it was changed"

static const char *const types[] = {
	[TOKEN_ACCESS] = "joblight+jwt",
	[TOKEN_TICKET] = "joblight-ticket+jwt",
	[TOKEN_SESSION] = "joblight-session+jwt",
	[TOKEN_CODE] = "joblight-code+jwt",
};

struct credential *credential_narrow(const struct credential *maker, enum right rights,
                                     const char *job_id, int64_t expires)
{
	struct access_key_row row = maker->key;
	int64_t end = maker->key.expires;

	row.name = xstrdup(credential_name(maker));
	row.jobs = xstrdup(job_id ? job_id : maker->key.jobs);
	row.rights &= rights;
	row.expires = (!end || (expires && expires < end) ? expires : end) / 1000 * 1000;
	struct credential *c = credential_create(&row);
	c->kind = maker->kind == CREDENTIAL_KEY ? CREDENTIAL_TOKEN : maker->kind;
	memcpy(c->identity, maker->identity, sizeof(c->identity));
	memcpy(c->token_id, maker->token_id, sizeof(c->token_id));
	memcpy(c->signer, maker->signer, sizeof(c->signer));
	c->commands = maker->commands ? xstrdup(maker->commands) : NULL;
	return c;
}

void token_identify(struct token *t, access_key_entropy *entropy)
{
	uint8_t bytes[16];
	struct buf text = { 0 };

	entropy(bytes, sizeof(bytes));
	base64url_encode(&text, (struct slice){ (const char *)bytes, sizeof(bytes) });
	memcpy(t->id, text.ptr, TOKEN_ID_LEN);
	t->id[TOKEN_ID_LEN] = '\0';
	buf_finish(&text);
}

/* ---- encoding ---- */

static void add_words(struct buf *out, const char *name, const char *words)
{
	if (!words)
		return;
	json_name(out, name);
	json_words(out, words);
}

static void add_member(struct buf *out, const char *name, const char *text)
{
	if (text[0])
		json_text(out, name, text);
}

static void add_signer(struct buf *out, const struct credential *c)
{
	if (c->kind != CREDENTIAL_FOREIGN)
		return;
	buf_text(out, ",\"signer\":\"");
	base64url_encode(out, (struct slice){ (const char *)c->signer, sizeof(c->signer) });
	buf_char(out, '"');
}

/* A session and a code have the jobs of their key, because a cookie could not hold all of them. */
static bool has_jobs(enum token_kind kind)
{
	return kind == TOKEN_ACCESS || kind == TOKEN_TICKET;
}

/* The claims of the credential are those of a foreign token, in one object. */
static void encode_claims(struct buf *out, const struct token *t)
{
	const struct credential *c = t->credential;

	buf_format(out, "{\"jti\":\"%s\",\"iat\":%lld,\"exp\":%lld,\"sub\":", t->id,
	           (long long)t->issued / 1000, (long long)t->expires / 1000);
	json_string(out, slice_of(c->key.name));
	buf_format(out, ",\"who\":\"%s\"", c->identity);
	add_member(out, "key", c->key.id);
	add_member(out, "parent", c->token_id);
	if (t->kind == TOKEN_TICKET)
		buf_format(out, ",\"run\":%llu", (unsigned long long)t->run);
	if (t->kind == TOKEN_TICKET && c->key.expires)
		buf_format(out, ",\"until\":%lld", (long long)c->key.expires / 1000);
	add_signer(out, c);
	buf_text(out, ",\"joblight\":{\"scope\":[");
	right_encode(out, credential_rights(c));
	buf_char(out, ']');
	if (has_jobs(t->kind))
		add_words(out, "jobs", c->key.jobs);
	add_words(out, "commands", c->commands);
	buf_text(out, "}}");
}

void token_encode(struct buf *out, const struct token *t, const struct keyring *ring)
{
	const struct signing_key_row *key = keyring_signing_key(ring);
	struct buf header = { 0 }, claims = { 0 };

	buf_format(&header, "{\"alg\":\"HS256\",\"typ\":\"%s\",\"kid\":\"%s\"}", types[t->kind],
	           key->id);
	encode_claims(&claims, t);
	jwt_encode(out, buf_as_slice(&header), buf_as_slice(&claims),
	           (struct slice){ (const char *)key->secret, SIGNING_SECRET_LEN });
	buf_finish(&header);
	buf_finish(&claims);
}

/* ---- decoding ---- */

static bool is_signed_by(const struct jwt *jwt, enum token_kind kind,
                         const struct signing_key_row *key)
{
	const char *type = jwt_string(jwt->header, "typ"), *kid = jwt_string(jwt->header, "kid");
	const char *unused;
	struct jws_key *secret = jws_key_secret(
	    (struct slice){ (const char *)key->secret, SIGNING_SECRET_LEN }, &unused);
	bool ok = type && strcmp(type, types[kind]) == 0 && kid && strcmp(kid, key->id) == 0 &&
	          strcmp(jwt_string(jwt->header, "alg"), "HS256") == 0 &&
	          jws_verify(secret, jwt->text, buf_as_slice(&jwt->signature));

	jws_key_free(secret);
	return ok;
}

/* The text was signed, so it has the form that token_encode() gave it. */
static bool copy_text(const cJSON *claims, const char *name, char *out, size_t size)
{
	const char *text = jwt_string(claims, name);

	return text && (size_t)snprintf(out, size, "%s", text) < size;
}

static bool take_signer(const cJSON *claims, struct credential *c)
{
	struct buf signer = { 0 };
	bool ok = base64url_decode(&signer, slice_of(jwt_string(claims, "signer"))) &&
	          signer.len == sizeof(c->signer);

	if (ok) {
		memcpy(c->signer, signer.ptr, sizeof(c->signer));
		c->kind = CREDENTIAL_FOREIGN;
	}
	buf_finish(&signer);
	return ok;
}

/* NULL: the key is not there any more. */
static char *take_jobs(const cJSON *own, enum token_kind kind, const struct keyring *ring,
                       const char *key_id)
{
	const struct credential *key = has_jobs(kind) ? NULL : keyring_get(ring, key_id);

	if (has_jobs(kind))
		return jwt_jobs(cJSON_GetObjectItemCaseSensitive(own, "jobs"));
	return key ? xstrdup(key->key.jobs) : NULL;
}

static struct credential *take_credential(const struct jwt *jwt, enum token_kind kind,
                                          const struct keyring *ring)
{
	const cJSON *own = cJSON_GetObjectItemCaseSensitive(jwt->claims, "joblight");
	const cJSON *commands = cJSON_GetObjectItemCaseSensitive(own, "commands");
	const char *name = jwt_string(jwt->claims, "sub");
	struct access_key_row row = {
		.rights = jwt_rights(cJSON_GetObjectItemCaseSensitive(own, "scope")),
		.name = xstrdup(name ? name : ""),
	};

	copy_text(jwt->claims, "key", row.id, sizeof(row.id));
	row.jobs = take_jobs(own, kind, ring, row.id);
	bool ok = row.jobs &&
	          jwt_time(jwt->claims, kind == TOKEN_TICKET ? "until" : "exp", &row.expires);
	struct credential *c = credential_create(&row);
	c->kind = CREDENTIAL_TOKEN;
	c->commands = commands ? jwt_commands(commands) : NULL;
	copy_text(jwt->claims, "parent", c->token_id, sizeof(c->token_id));
	ok = ok && copy_text(jwt->claims, "who", c->identity, sizeof(c->identity)) &&
	     (!commands || c->commands) && (c->key.id[0] ? true : take_signer(jwt->claims, c));
	if (ok)
		return c;
	credential_release(c);
	return NULL;
}

static bool take_token(const struct jwt *jwt, enum token_kind kind, const struct keyring *ring,
                       struct token *t)
{
	t->kind = kind;
	t->credential = NULL;
	if (!copy_text(jwt->claims, "jti", t->id, sizeof(t->id)) ||
	    !jwt_time(jwt->claims, "iat", &t->issued) || !jwt_time(jwt->claims, "exp", &t->expires))
		return false;
	const cJSON *run = cJSON_GetObjectItemCaseSensitive(jwt->claims, "run");
	t->run = cJSON_IsNumber(run) ? (uint64_t)run->valuedouble : 0;
	t->credential = take_credential(jwt, kind, ring);
	if (t->credential && kind != TOKEN_TICKET)
		memcpy(t->credential->token_id, t->id, sizeof(t->id));
	return t->credential != NULL;
}

bool token_is_own(struct slice text)
{
	const char *fault, *type;
	struct jwt jwt;
	bool own = jwt_parse(text, &jwt, &fault) && (type = jwt_string(jwt.header, "typ")) &&
	           strncmp(type, "joblight", 8) == 0;

	jwt_finish(&jwt);
	return own;
}

bool token_is_backed(const struct keyring *ring, const struct credential *c, int64_t wall_ms)
{
	if (c->kind != CREDENTIAL_TOKEN)
		return true;
	const struct credential *key = keyring_get(ring, c->key.id);
	return key && !credential_is_over(key, wall_ms) && !keyring_has_revoked(ring, c->token_id);
}

static bool check(const struct keyring *ring, const struct token *t, int64_t wall_ms,
                  const char **fault)
{
	if (!token_is_backed(ring, t->credential, wall_ms) || keyring_has_revoked(ring, t->id))
		*fault = "it was revoked";
	else if (credential_is_over(t->credential, wall_ms) ||
	         (t->kind != TOKEN_TICKET && t->expires <= wall_ms))
		*fault = "it has expired";
	else
		return true;
	return false;
}

bool token_decode(const struct keyring *ring, enum token_kind kind, struct slice text,
                  int64_t wall_ms, struct token *t, const char **fault)
{
	const struct signing_key_row *key = keyring_signing_key(ring);
	struct jwt jwt;
	bool parsed = jwt_parse(text, &jwt, fault), ok = false;

	*t = (struct token){ 0 };
	if (parsed && !(key && is_signed_by(&jwt, kind, key) && take_token(&jwt, kind, ring, t)))
		*fault = NOT_OURS;
	else
		ok = parsed && check(ring, t, wall_ms, fault);
	jwt_finish(&jwt);
	if (ok)
		return true;
	credential_release(t->credential);
	t->credential = NULL;
	return false;
}
