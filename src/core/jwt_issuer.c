#include "joblight/core/issuer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "jwt.h"
#include "jwt_keys.h"

#define NOT_BEFORE_SLACK_MS 60000 /* of the issuer's clock: RFC 7519 section 4.1.5 */

struct issuer {
	atomic_uint references;
	struct issuer_rules rules; /* with texts of its own */
	struct jwt_keys keys;
};

/* The members of the rules, which are all texts. */
#define RULE_COUNT (sizeof(struct issuer_rules) / sizeof(const char *))
union rules {
	struct issuer_rules rules;
	const char *texts[RULE_COUNT];
};

static void copy_rules(struct issuer_rules *to, const struct issuer_rules *from)
{
	union rules copy = { *from };

	for (size_t i = 0; i < RULE_COUNT; i++)
		copy.texts[i] = copy.texts[i] ? xstrdup(copy.texts[i]) : NULL;
	*to = copy.rules;
}

static void finish_rules(struct issuer_rules *rules)
{
	const union rules own = { *rules };

	for (size_t i = 0; i < RULE_COUNT; i++)
		free((void *)(uintptr_t)own.texts[i]);
}

static void add_rule(struct buf *out, const char *rule)
{
	buf_text(out, rule ? rule : "");
	buf_char(out, rule ? '\0' : '\1');
}

/*
 * The digest of a key becomes that of the key and of what decides what its tokens may do: under
 * other rules a credential is not in force any more.  The name for people decides nothing.
 */
static void bind_to_rules(struct issuer *i)
{
	const struct issuer_rules *r = &i->rules;
	struct buf text = { 0 };

	add_rule(&text, r->issuer);
	add_rule(&text, r->audience);
	add_rule(&text, r->scope);
	add_rule(&text, r->jobs);
	add_rule(&text, r->commands);
	size_t len = text.len;
	for (size_t n = 0; n < i->keys.count; n++) {
		uint8_t *digest = i->keys.items[n].digest;
		text.len = len;
		buf_add(&text, digest, DIGEST_LEN);
		digest_sha256(buf_as_slice(&text), digest);
	}
	buf_finish(&text);
}

struct issuer *issuer_create(const struct issuer_rules *rules, struct slice file, char *error,
                             size_t error_len)
{
	struct issuer *i = xcalloc(1, sizeof(*i));

	atomic_init(&i->references, 1);
	copy_rules(&i->rules, rules);
	if (!jwt_keys_read(&i->keys, file, error, error_len)) {
		issuer_release(i);
		return NULL;
	}
	bind_to_rules(i);
	return i;
}

struct issuer *issuer_hold(struct issuer *i)
{
	if (i)
		atomic_fetch_add_explicit(&i->references, 1, memory_order_relaxed);
	return i;
}

void issuer_release(struct issuer *i)
{
	if (!i || atomic_fetch_sub_explicit(&i->references, 1, memory_order_acq_rel) != 1)
		return;
	jwt_keys_finish(&i->keys);
	finish_rules(&i->rules);
	free(i);
}

/* ---- JSON pointers ---- */

bool json_pointer_valid(const char *pointer)
{
	for (const char *at = pointer; *at; at++)
		if (*at == '~' && at[1] != '0' && at[1] != '1')
			return false;
	return !pointer[0] || pointer[0] == '/';
}

/* The next name of a pointer, unescaped: RFC 6901 section 4.  Moves *at to after it. */
static void next_name(const char **at, struct buf *name)
{
	name->len = 0;
	for (++*at; **at && **at != '/'; ++*at) {
		bool escaped = **at == '~';
		*at += escaped;
		buf_char(name, !escaped ? **at : **at == '0' ? '~' : '/');
	}
}

static const cJSON *find(const cJSON *value, const char *pointer)
{
	struct buf name = { 0 };

	while (value && *pointer) {
		next_name(&pointer, &name);
		value = cJSON_IsObject(value)
		            ? cJSON_GetObjectItemCaseSensitive(value, buf_string(&name))
		            : NULL;
	}
	buf_finish(&name);
	return value;
}

/* ---- verifying ---- */

/* Types of tokens that give access; a token for something else must not: RFC 8725 section 3.12. */
static bool is_access(const cJSON *header)
{
	static const char *const types[] = { "JWT", "at+jwt", "application/at+jwt" };
	const char *type = jwt_string(header, "typ");

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(type, types[i]) == 0)
			return true;
	return !cJSON_GetObjectItemCaseSensitive(header, "typ");
}

static bool is_candidate(const struct jwt_key *k, const char *algorithm, const char *id)
{
	return strcmp(jws_algorithm_name(jws_key_algorithm(k->key)), algorithm) == 0 &&
	       (!id || !k->id || strcmp(k->id, id) == 0);
}

/*
 * The key that has signed it, or NULL.  Keys with a name are told apart by it.  The others are
 * tried, so that a token without a name, which anybody can send, must not fit many of them.
 */
static const struct jwt_key *find_signer(const struct issuer *i, const struct jwt *jwt,
                                         const char **fault)
{
	const char *algorithm = jwt_string(jwt->header, "alg");
	const char *id = jwt_string(jwt->header, "kid");
	const struct jwt_key *candidates[JWT_TRIES_MAX];
	size_t count = 0;

	for (size_t n = 0; n < i->keys.count; n++) {
		const struct jwt_key *k = &i->keys.items[n];
		if (!is_candidate(k, algorithm, id))
			continue;
		if (count == JWT_TRIES_MAX) {
			*fault = "it does not name its key by kid, and more than 4 could be it";
			return NULL;
		}
		candidates[count++] = k;
	}
	*fault = "no key of this server verifies its signature";
	for (size_t n = 0; n < count; n++)
		if (jws_verify(candidates[n]->key, jwt->text, buf_as_slice(&jwt->signature)))
			return candidates[n];
	return NULL;
}

static bool is_for(const cJSON *claims, const char *audience)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(claims, "aud");
	const cJSON *item = cJSON_IsArray(value) ? value->child : value;

	for (; item; item = item == value ? NULL : item->next)
		if (cJSON_IsString(item) && strcmp(item->valuestring, audience) == 0)
			return true;
	return false;
}

static bool check_times(const cJSON *claims, int64_t wall_ms, int64_t *expires, const char **fault)
{
	int64_t not_before;

	if (!jwt_time(claims, "exp", expires) || !*expires)
		*fault = "it has no end: the claim \"exp\" is missing or not a time";
	else if (*expires <= wall_ms)
		*fault = "it has expired";
	else if (!jwt_time(claims, "nbf", &not_before))
		*fault = "the claim \"nbf\" is not a time";
	else if (not_before > wall_ms + NOT_BEFORE_SLACK_MS)
		*fault = "it is not in force yet";
	else
		return true;
	return false;
}

static bool check_names(const struct issuer_rules *rules, const cJSON *claims, const char **fault)
{
	const char *issuer = jwt_string(claims, "iss");

	if (rules->issuer && !(issuer && strcmp(issuer, rules->issuer) == 0))
		*fault = "its issuer is another one";
	else if (rules->audience && !is_for(claims, rules->audience))
		*fault = "it is for another audience";
	else
		return true;
	return false;
}

/* The subject is unique only within its issuer: RFC 7519 section 4.1.2. */
static void identify(struct credential *c, const struct jwt *jwt)
{
	const char *issuer = jwt_string(jwt->claims, "iss"), *subject;
	struct buf who = { 0 };

	buf_text(&who, issuer ? issuer : "");
	buf_char(&who, '\n');
	if ((subject = jwt_string(jwt->claims, "sub")) ||
	    (subject = jwt_string(jwt->claims, "jti")))
		buf_text(&who, subject);
	else
		buf_slice(&who, jwt->text);
	credential_identify(c, "jwt", buf_as_slice(&who));
	buf_finish(&who);
}

static struct credential *take_claims(const struct issuer_rules *rules, const struct jwt *jwt,
                                      int64_t expires, const char **fault)
{
	const cJSON *commands = find(jwt->claims, rules->commands);
	const char *name = cJSON_GetStringValue(find(jwt->claims, rules->name));
	struct access_key_row row = {
		.rights = jwt_rights(find(jwt->claims, rules->scope)),
		.jobs = jwt_jobs(find(jwt->claims, rules->jobs)),
		.expires = expires,
	};

	row.name = xmemdup(name ? name : "", name ? strnlen(name, SUBJECT_MAX) : 0);
	utf8_mend(row.name, strlen(row.name));
	struct credential *c = credential_create(&row);
	c->kind = CREDENTIAL_FOREIGN;
	c->commands = commands ? jwt_commands(commands) : NULL;
	identify(c, jwt);
	if (!c->key.rights)
		*fault = "it has no right: its scope names none of watch, report, create, control, "
		         "admin";
	else if (!c->key.jobs)
		*fault = "it names no jobs: an array of job ids, in which * stands for any "
		         "characters";
	else if (commands && !c->commands)
		*fault = "its commands are not an array of names of commands";
	else
		return c;
	credential_release(c);
	return NULL;
}

static struct credential *verify(const struct issuer *i, const struct jwt *jwt, int64_t wall_ms,
                                 const char **fault)
{
	const struct jwt_key *signer = find_signer(i, jwt, fault);
	int64_t expires;

	if (!signer)
		return NULL;
	*fault = "it is not an access token: its typ is another one";
	if (!is_access(jwt->header) || !check_times(jwt->claims, wall_ms, &expires, fault) ||
	    !check_names(&i->rules, jwt->claims, fault))
		return NULL;
	struct credential *c = take_claims(&i->rules, jwt, expires, fault);
	if (c)
		memcpy(c->signer, signer->digest, sizeof(c->signer));
	return c;
}

struct credential *issuer_verify(const struct issuer *i, struct slice token, int64_t wall_ms,
                                 const char **fault)
{
	struct jwt jwt;
	struct credential *c = jwt_parse(token, &jwt, fault) ? verify(i, &jwt, wall_ms, fault)
	                                                     : NULL;

	jwt_finish(&jwt);
	return c;
}

bool issuer_knows(const struct issuer *i, const struct credential *c)
{
	for (size_t n = 0; i && n < i->keys.count; n++)
		if (digest_equal(i->keys.items[n].digest, c->signer))
			return true;
	return false;
}
