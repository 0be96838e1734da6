#include "jwt_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/base64url.h"
#include "joblight/base/xalloc.h"
#include "jwt.h"

#define DEPTH_MAX 8

void jwt_keys_finish(struct jwt_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		free(keys->items[i].id);
		jws_key_free(keys->items[i].key);
	}
	keys->count = 0;
}

/* Takes the key. */
static bool add(struct jwt_keys *keys, struct jws_key *key, const char *id, const char **fault)
{
	if (keys->count == ISSUER_KEYS_MAX) {
		*fault = "it has more than 32 keys";
		jws_key_free(key);
		return false;
	}
	struct jwt_key *k = &keys->items[keys->count++];
	*k = (struct jwt_key){ id ? xstrdup(id) : NULL, key, { 0 } };
	jws_key_digest(key, k->digest);
	return true;
}

/* ---- JWK ---- */

static bool take_bytes(const cJSON *jwk, const char *name, struct buf *out)
{
	const char *text = jwt_string(jwk, name);

	return text && base64url_decode(out, slice_of(text));
}

static struct jws_key *make(const char *type, struct slice a, struct slice b, const char **fault)
{
	if (strcmp(type, "oct") == 0)
		return jws_key_secret(a, fault);
	if (strcmp(type, "RSA") == 0)
		return jws_key_rsa(a, b, fault);
	if (strcmp(type, "EC") == 0)
		return jws_key_p256(a, b, fault);
	return jws_key_ed25519(a, fault);
}

/* The types that are known: RFC 7518 section 6.1 and RFC 8037 section 2. */
static const struct type {
	const char *name, *curve; /* NULL: it has none */
	const char *first, *second;
	bool is_secret; /* its only part, which is not "d" */
} types[] = {
	{ "oct", NULL, "k", NULL, true },
	{ "RSA", NULL, "n", "e", false },
	{ "EC", "P-256", "x", "y", false },
	{ "OKP", "Ed25519", "x", NULL, false },
};

static const struct type *type_of(const cJSON *jwk)
{
	const char *name = jwt_string(jwk, "kty"), *curve = jwt_string(jwk, "crv");

	for (size_t i = 0; name && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0 &&
		    (!types[i].curve || (curve && strcmp(types[i].curve, curve) == 0)))
			return &types[i];
	return NULL;
}

static bool may_verify(const cJSON *jwk)
{
	const char *use = jwt_string(jwk, "use");
	const cJSON *operations = cJSON_GetObjectItemCaseSensitive(jwk, "key_ops"), *item;
	bool verifies = !operations;

	cJSON_ArrayForEach(item, operations)
	{
		if (cJSON_IsString(item) && strcmp(item->valuestring, "verify") == 0)
			verifies = true;
	}
	return verifies && (!use || strcmp(use, "sig") == 0);
}

/* Keys that are for something else are passed over: RFC 7517 section 5. */
static bool add_jwk(struct jwt_keys *keys, const cJSON *jwk, const char **fault)
{
	const struct type *type = cJSON_IsObject(jwk) ? type_of(jwk) : NULL;
	const char *algorithm = jwt_string(jwk, "alg");
	struct buf first = { 0 }, second = { 0 };
	struct jws_key *key = NULL;

	if (!type || !may_verify(jwk))
		return true;
	if (!type->is_secret && cJSON_GetObjectItemCaseSensitive(jwk, "d")) {
		*fault = "it has a private key, which the server must not have: take out the "
		         "member \"d\" and those that follow from it";
		return false;
	}
	*fault = "a member is missing or not base64url";
	if (take_bytes(jwk, type->first, &first) &&
	    (!type->second || take_bytes(jwk, type->second, &second)))
		key = make(type->name, buf_as_slice(&first), buf_as_slice(&second), fault);
	buf_finish(&first);
	buf_finish(&second);
	if (!key)
		return false;
	if (algorithm && strcmp(algorithm, jws_algorithm_name(jws_key_algorithm(key))) != 0) {
		jws_key_free(key);
		return true;
	}
	return add(keys, key, jwt_string(jwk, "kid"), fault);
}

static bool read_jwks(struct jwt_keys *keys, struct slice file, char *error, size_t error_len)
{
	struct problem problem = { 0 };
	const char *fault = NULL;
	cJSON *root = decode_parse(DEPTH_MAX, file, &problem);
	const cJSON *set = cJSON_GetObjectItemCaseSensitive(root, "keys"), *jwk = NULL;
	int number = 0;
	bool ok = root != NULL;

	if (!ok)
		snprintf(error, error_len, "%s", problem.detail);
	if (ok && !set)
		ok = add_jwk(keys, root, &fault);
	for (jwk = set ? set->child : NULL; ok && jwk; jwk = jwk->next, number++)
		ok = add_jwk(keys, jwk, &fault);
	if (!ok && fault)
		snprintf(error, error_len, "key %d: %s", number ? number : 1, fault);
	cJSON_Delete(root);
	problem_finish(&problem);
	return ok;
}

/* ---- PEM ---- */

static bool read_pem(struct jwt_keys *keys, struct slice file, char *error, size_t error_len)
{
	const char *fault = NULL;
	struct jws_key *key;

	while ((key = jws_key_pem(&file, &fault)) && add(keys, key, NULL, &fault))
		;
	if (!fault)
		return true;
	snprintf(error, error_len, "%s", fault);
	return false;
}

static bool is_json(struct slice file)
{
	size_t i = 0;

	while (i < file.len && strchr(" \t\r\n", file.ptr[i]))
		i++;
	return i < file.len && file.ptr[i] == '{';
}

/* Whether a token with the name of `k` may have been signed with `other`. */
static bool is_like(const struct jwt_key *k, const struct jwt_key *other)
{
	return jws_key_algorithm(k->key) == jws_key_algorithm(other->key) &&
	       (!other->id || (k->id && strcmp(k->id, other->id) == 0));
}

/* Each wrong token costs as many tries as there are keys that its name fits. */
static bool have_names(const struct jwt_keys *keys)
{
	for (size_t n = 0; n < keys->count; n++) {
		size_t alike = 0;
		for (size_t i = 0; i < keys->count; i++)
			alike += is_like(&keys->items[n], &keys->items[i]);
		if (alike > JWT_TRIES_MAX)
			return false;
	}
	return true;
}

bool jwt_keys_read(struct jwt_keys *keys, struct slice file, char *error, size_t error_len)
{
	if (!(is_json(file) ? read_jwks : read_pem)(keys, file, error, error_len))
		return false;
	if (!keys->count)
		snprintf(error, error_len,
		         "it has no key that can verify: RSA, P-256, Ed25519, or a secret");
	else if (!have_names(keys))
		snprintf(error, error_len,
		         "more than 4 keys of one algorithm have no kid, or the same: give each a "
		         "kid of its own, in a JWK set");
	else
		return true;
	return false;
}
