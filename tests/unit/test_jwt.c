/* Tokens of another issuer: the compact form, the keys of a file, the claims. */
#include "kit.h"

#include "core/jwt.h"
#include "joblight/base/base64url.h"
#include "joblight/base/jws.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/issuer.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW 1700000000000LL
#define HEADER "{\"alg\":\"HS256\"}"
#define GRANT "\"joblight\":{\"scope\":[\"watch\"],\"jobs\":[\"*\"]}"
#define CLAIMS "{\"exp\":1700000001," GRANT "}"

static const struct issuer_rules rules = {
	NULL, NULL, "/joblight/scope", "/joblight/jobs", "/joblight/commands", "/sub"
};

static struct issuer *issuer_of(const struct issuer_rules *r, const char *file, const char *says)
{
	char error[256] = "";
	struct issuer *i = issuer_create(r, slice_of(file), error, sizeof(error));

	if (says && (i || !strstr(error, says)))
		fail_msg("\"%s\" and not \"%s\": %s", error, says, file);
	if (!says && !i)
		fail_msg("%s: %s", error, file);
	return i;
}

static char *jwk_of_secret(const char *secret, const char *members)
{
	struct buf json = { 0 };

	buf_text(&json, "{\"kty\":\"oct\",\"k\":\"");
	base64url_encode(&json, slice_of(secret));
	buf_format(&json, "\"%s}", members);
	buf_string(&json);
	return json.ptr;
}

static struct issuer *issuer_with(const struct issuer_rules *r)
{
	char *jwk = jwk_of_secret(SECRET, "");
	struct issuer *i = issuer_of(r, jwk, NULL);

	free(jwk);
	return i;
}

static struct buf token_of(const char *header, const char *claims)
{
	struct buf token = { 0 };

	jwt_encode(&token, slice_of(header), slice_of(claims), slice_of(SECRET));
	return token;
}

static struct credential *verify_with(const struct issuer_rules *r, struct slice token, int64_t now,
                                      const char **fault)
{
	struct issuer *i = issuer_with(r);

	*fault = NULL;
	struct credential *c = issuer_verify(i, token, now, fault);
	assert_true(c || *fault);
	assert_true(!c || issuer_knows(i, c));
	issuer_release(i);
	return c;
}

static bool accepts_at(const struct issuer_rules *r, const char *header, const char *claims,
                       int64_t now)
{
	struct buf token = token_of(header, claims);
	const char *fault;
	struct credential *c = verify_with(r, buf_as_slice(&token), now, &fault);

	buf_finish(&token);
	credential_release(c);
	return c;
}

static bool accepts(const char *header, const char *claims)
{
	return accepts_at(&rules, header, claims, NOW);
}

static bool accepts_text(const char *text, size_t len)
{
	const char *fault;
	struct credential *c = verify_with(&rules, (struct slice){ text, len }, NOW, &fault);

	credential_release(c);
	return c;
}

/* ---- the compact form ---- */

static void a_token_has_three_parts(void **state)
{
	struct buf token = token_of(HEADER, CLAIMS), other = { 0 };
	const char *dot = strchr(buf_string(&token), '.'), *last = strrchr(token.ptr, '.');

	(void)state;
	assert_true(accepts_text(token.ptr, token.len));
	assert_false(accepts_text(token.ptr, (size_t)(last - token.ptr)));
	assert_false(accepts_text(token.ptr, (size_t)(last - token.ptr) + 1));
	assert_false(accepts_text(token.ptr, (size_t)(dot - token.ptr)));
	assert_false(accepts_text(dot, token.len - (size_t)(dot - token.ptr)));
	buf_format(&other, "%s.", token.ptr);
	assert_false(accepts_text(other.ptr, other.len));
	other.len = 0;
	buf_format(&other, ".%s", token.ptr);
	assert_false(accepts_text(other.ptr, other.len));
	other.len = 0;
	buf_format(&other, "%s.e30", token.ptr);
	assert_false(accepts_text(other.ptr, other.len));
	assert_false(accepts_text("", 0) || accepts_text(".", 1) || accepts_text("..", 2) ||
	             accepts_text("...", 3) || accepts_text("a.b.c", 5));
	buf_finish(&other);
	buf_finish(&token);
}

/* Also the bits that are left over in base64, and characters that are none of it. */
static void a_token_with_any_other_character_is_refused(void **state)
{
	struct buf token = token_of(HEADER, CLAIMS);

	(void)state;
	for (size_t i = 0; i < token.len; i++) {
		char before = token.ptr[i];
		for (unsigned c = 0; c < 256; c += c < 128 ? 1 : 61) {
			token.ptr[i] = (char)c;
			assert_true(token.ptr[i] == before || !accepts_text(token.ptr, token.len));
		}
		token.ptr[i] = before;
	}
	buf_finish(&token);
}

static struct buf token_of_size(size_t size)
{
	struct buf claims = { 0 }, token = { 0 };

	buf_text(&claims, "{\"exp\":1700000001," GRANT ",\"x\":\"");
	while (token.len < size) {
		buf_char(&claims, 'x');
		buf_finish(&token);
		char *text = xmemdup(claims.ptr, claims.len);
		struct buf whole = { 0 };
		buf_format(&whole, "%s\"}", text);
		token = token_of(HEADER, buf_string(&whole));
		buf_finish(&whole);
		free(text);
	}
	buf_finish(&claims);
	return token;
}

static void a_token_has_8192_bytes_at_most(void **state)
{
	struct buf fits = token_of_size(JWT_MAX - 1), large = token_of_size(JWT_MAX + 1);
	char *huge = xmalloc(65536);

	(void)state;
	assert_in_range(fits.len, JWT_MAX - 1, JWT_MAX);
	assert_true(accepts_text(fits.ptr, fits.len));
	assert_false(accepts_text(large.ptr, large.len));
	memset(huge, 'a', 65536);
	huge[1000] = huge[2000] = '.';
	assert_false(accepts_text(huge, 65536));
	free(huge);
	buf_finish(&fits);
	buf_finish(&large);
}

static void a_part_is_a_json_object_without_duplicates(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"\"x\"",
		"1",
		"null",
		"{",
		"{} x",
		"{\"exp\":1700000001,\"exp\":1," GRANT "}",
		"{\"exp\":1700000001,\"\\u0065xp\":1," GRANT "}",
		"{\"exp\":1700000001,\"x\":\"\\u0000\"," GRANT "}",
		"{\"exp\":1700000001,\"x\":\"\\ud800\"," GRANT "}",
		"{\"exp\":1700000001,\"x\":NaN," GRANT "}",
		"{'exp':1700000001," GRANT "}",
		"\xef\xbb\xbf" CLAIMS,
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (accepts(HEADER, wrong[i]))
			fail_msg("%s", wrong[i]);
	assert_false(accepts("[]", CLAIMS) || accepts("{}", CLAIMS) || accepts("", CLAIMS) ||
	             accepts("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", CLAIMS) ||
	             accepts("{\"alg\":[\"HS256\"]}", CLAIMS));
	assert_true(accepts(" " HEADER "\n", "\t" CLAIMS " "));
}

static bool accepts_depth(unsigned depth)
{
	struct buf claims = { 0 };

	buf_text(&claims, "{\"exp\":1700000001," GRANT ",\"x\":");
	for (unsigned i = 1; i < depth; i++)
		buf_char(&claims, '[');
	for (unsigned i = 1; i < depth; i++)
		buf_char(&claims, ']');
	buf_char(&claims, '}');
	bool ok = accepts(HEADER, buf_string(&claims));
	buf_finish(&claims);
	return ok;
}

static void a_part_is_16_levels_deep_at_most(void **state)
{
	(void)state;
	assert_true(accepts_depth(16));
	assert_false(accepts_depth(17) || accepts_depth(2000));
}

/* ---- the header ---- */

static void the_key_decides_the_algorithm(void **state)
{
	static const char *const names[] = { "none",  "None",  "hs256", "HS384",  "HS512", "RS256",
		                             "PS256", "ES256", "EdDSA", "HS256 ", "" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		char header[64];
		snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
		assert_false(accepts(header, CLAIMS));
	}
}

static void critical_parameters_are_refused(void **state)
{
	(void)state;
	assert_false(accepts("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", CLAIMS));
	assert_false(accepts("{\"alg\":\"HS256\",\"crit\":[]}", CLAIMS));
	assert_false(accepts("{\"alg\":\"HS256\",\"crit\":null}", CLAIMS));
	assert_true(accepts("{\"alg\":\"HS256\",\"Crit\":[\"x\"]}", CLAIMS));
}

static bool accepts_type(const char *type)
{
	char header[96];

	snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"typ\":%s}", type);
	return accepts(header, CLAIMS);
}

static void a_token_of_another_type_is_no_access_token(void **state)
{
	(void)state;
	assert_true(accepts_type("\"JWT\"") && accepts_type("\"jwt\"") &&
	            accepts_type("\"at+jwt\"") && accepts_type("\"application/at+jwt\""));
	assert_false(accepts_type("\"logout+jwt\"") || accepts_type("\"dpop+jwt\"") ||
	             accepts_type("\"secevent+jwt\"") || accepts_type("\"\"") ||
	             accepts_type("1") || accepts_type("null") || accepts_type("[\"JWT\"]") ||
	             accepts_type("\"joblight+jwt\""));
}

/* ---- times ---- */

static bool accepts_exp(const char *exp, int64_t now)
{
	char claims[256];

	snprintf(claims, sizeof(claims), "{%s%s" GRANT "}", exp, exp[0] ? "," : "");
	return accepts_at(&rules, HEADER, claims, now);
}

static void a_token_has_an_end(void **state)
{
	(void)state;
	assert_false(accepts_exp("", NOW) || accepts_exp("\"exp\":0", 0) ||
	             accepts_exp("\"exp\":-1", NOW) || accepts_exp("\"exp\":\"1700000001\"", NOW) ||
	             accepts_exp("\"exp\":1e300", NOW) || accepts_exp("\"exp\":null", NOW) ||
	             accepts_exp("\"exp\":true", NOW) || accepts_exp("\"exp\":[1700000001]", NOW) ||
	             accepts_exp("\"exp\":1e999", NOW));
	assert_true(accepts_exp("\"exp\":253402300799", NOW));
	assert_false(accepts_exp("\"exp\":253402300800", NOW));
	assert_true(accepts_exp("\"exp\":17e8", NOW - 1));
}

static void a_token_expires_at_its_millisecond(void **state)
{
	(void)state;
	assert_true(accepts_exp("\"exp\":1700000000", NOW - 1));
	assert_false(accepts_exp("\"exp\":1700000000", NOW));
	assert_true(accepts_exp("\"exp\":1700000000.5", NOW + 499));
	assert_false(accepts_exp("\"exp\":1700000000.5", NOW + 500));
}

static void a_token_begins_with_a_minute_of_slack(void **state)
{
	const char *claims = "{\"exp\":1700009999,\"nbf\":1700000060," GRANT "}";

	(void)state;
	assert_true(accepts_at(&rules, HEADER, claims, NOW));
	assert_false(accepts_at(&rules, HEADER, claims, NOW - 1));
	assert_false(accepts(HEADER, "{\"exp\":1700009999,\"nbf\":\"1\"," GRANT "}"));
	assert_false(accepts(HEADER, "{\"exp\":1700009999,\"nbf\":-5," GRANT "}"));
}

/* ---- names ---- */

static void issuer_and_audience_are_compared_when_they_are_configured(void **state)
{
	struct issuer_rules named = rules;

	(void)state;
	named.issuer = "me";
	assert_true(
	    accepts_at(&named, HEADER, "{\"iss\":\"me\",\"exp\":1700000001," GRANT "}", NOW));
	assert_false(accepts_at(&named, HEADER, CLAIMS, NOW));
	assert_false(
	    accepts_at(&named, HEADER, "{\"iss\":\"Me\",\"exp\":1700000001," GRANT "}", NOW));
	assert_false(
	    accepts_at(&named, HEADER, "{\"iss\":[\"me\"],\"exp\":1700000001," GRANT "}", NOW));
	named = rules;
	named.audience = "jobs";
	static const char *const good[] = { "\"jobs\"", "[\"jobs\"]", "[\"x\",\"jobs\"]",
		                            "[1,\"jobs\"]" };
	static const char *const bad[] = { "\"job\"",      "[]", "null", "{\"jobs\":\"jobs\"}",
		                           "[[\"jobs\"]]", "1" };
	for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
		char claims[256];
		snprintf(claims, sizeof(claims), "{\"aud\":%s,\"exp\":1700000001," GRANT "}",
		         i < COUNT(good) ? good[i] : bad[i - COUNT(good)]);
		assert_int_equal(accepts_at(&named, HEADER, claims, NOW), i < COUNT(good));
	}
	assert_false(accepts_at(&named, HEADER, CLAIMS, NOW));
	assert_true(
	    accepts(HEADER, "{\"aud\":\"anybody\",\"iss\":1,\"exp\":1700000001," GRANT "}"));
}

/* ---- claims ---- */

static struct credential *credential_of(const struct issuer_rules *r, const char *claims)
{
	struct buf token = token_of(HEADER, claims);
	const char *fault;
	struct credential *c = verify_with(r, buf_as_slice(&token), NOW, &fault);

	buf_finish(&token);
	return c;
}

static enum right rights_of(const char *scope)
{
	char claims[256];

	snprintf(claims, sizeof(claims),
	         "{\"exp\":1700000001,\"joblight\":{\"scope\":%s,\"jobs\":\"a b\"}}", scope);
	for (char *at = claims; (at = strstr(at, "a b")); at++)
		at[1] = '-';
	struct credential *c = credential_of(&rules, claims);
	enum right rights = c ? credential_rights(c) : RIGHT_NONE;
	credential_release(c);
	return rights;
}

static void a_scope_is_an_array_or_a_string_of_words(void **state)
{
	(void)state;
	assert_int_equal(rights_of("[\"watch\",\"report\"]"), RIGHT_WATCH | RIGHT_REPORT);
	assert_int_equal(rights_of("\"watch report\""), RIGHT_WATCH | RIGHT_REPORT);
	assert_int_equal(rights_of("\"openid  admin email\""), RIGHT_ADMIN);
	assert_int_equal(rights_of("[\"openid\",1,null,[\"admin\"],\"control\"]"), RIGHT_CONTROL);
	assert_int_equal(rights_of("\"watch,report\""), RIGHT_NONE);
	assert_int_equal(rights_of("[\"watch report\"]"), RIGHT_NONE);
	assert_int_equal(rights_of("\"WATCH\""), RIGHT_NONE);
	assert_int_equal(rights_of("{\"watch\":true}"), RIGHT_NONE);
	assert_int_equal(rights_of("[]"), RIGHT_NONE);
	assert_int_equal(rights_of("\"\""), RIGHT_NONE);
}

static void jobs_are_patterns(void **state)
{
	static const char *const bad[] = { "[]",      "[1]",           "{}",
		                           "\"a b\"", "[\"a\",\"/\"]", "[\"\"]",
		                           "1",       "[\"a\",null]" };
	struct credential *c = credential_of(
	    &rules,
	    "{\"exp\":1700000001,\"joblight\":{\"scope\":\"watch\",\"jobs\":[\"a\",\"b-*\"]}}");

	(void)state;
	assert_true(credential_covers(c, "a") && credential_covers(c, "b-1"));
	assert_false(credential_covers(c, "c") || credential_covers(c, "*"));
	credential_release(c);
	for (size_t i = 0; i < COUNT(bad); i++) {
		char claims[256];
		snprintf(claims, sizeof(claims),
		         "{\"exp\":1700000001,\"joblight\":{\"scope\":\"watch\",\"jobs\":%s}}",
		         bad[i]);
		assert_null(credential_of(&rules, claims));
	}
}

static void claims_are_found_by_json_pointers(void **state)
{
	struct issuer_rules r = { NULL,      NULL,   "/https:~1~1a.example~1scope",
		                  "/x/~01/", "/may", "/n/m" };
	struct credential *c = credential_of(
	    &r, "{\"exp\":1700000001,\"https://a.example/scope\":\"report\","
	        "\"x\":{\"~1\":{\"\":\"j\"}},\"may\":[\"pause\"],"
	        "\"n\":{\"m\":\"Ann\"}}");

	(void)state;
	assert_non_null(c);
	assert_int_equal(credential_rights(c), RIGHT_REPORT);
	assert_string_equal(c->key.jobs, "j");
	assert_string_equal(c->key.name, "Ann");
	assert_true(credential_may_command(c, SLICE("pause")));
	assert_false(credential_may_command(c, SLICE("pau")) ||
	             credential_may_command(c, SLICE("")));
	credential_release(c);
	assert_null(credential_of(
	    &r, "{\"exp\":1700000001,\"https://a.example/scope\":\"report\",\"x\":[1]}"));
	assert_true(json_pointer_valid("") && json_pointer_valid("/") &&
	            json_pointer_valid("/a~0~1"));
	assert_false(json_pointer_valid("a") || json_pointer_valid("/~") ||
	             json_pointer_valid("/~2"));
}

static void subjects_are_told_apart_within_their_issuer(void **state)
{
	static const char *const rows[] = { "\"sub\":\"ann\"",
		                            "\"sub\":\"bob\"",
		                            "\"sub\":\"ann\",\"iss\":\"x\"",
		                            "\"sub\":\"\",\"iss\":\"ann\"",
		                            "\"jti\":\"1\"",
		                            "\"jti\":\"2\"",
		                            "\"x\":1",
		                            "\"x\":2",
		                            "\"sub\":1" };
	char seen[COUNT(rows)][IDENTITY_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char claims[256];
		snprintf(claims, sizeof(claims), "{\"exp\":1700000001,%s," GRANT "}", rows[i]);
		struct credential *c = credential_of(&rules, claims),
		                  *again = credential_of(&rules, claims);
		assert_string_equal(c->identity, again->identity);
		assert_memory_equal(c->identity, "jwt/", 4);
		memcpy(seen[i], c->identity, sizeof(seen[i]));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(seen[i], seen[k]);
		credential_release(c);
		credential_release(again);
	}
}

/* ---- keys ---- */

#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\""
#define OCT "{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\""

static void a_key_for_something_else_is_passed_over(void **state)
{
	static const char *const rows[] = {
		"{\"kty\":\"AKP\"}",
		"{}",
		"1",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}",
		EC ",\"use\":\"enc\"}",
		EC ",\"key_ops\":[\"encrypt\"]}",
		EC ",\"key_ops\":[]}",
		EC ",\"alg\":\"ES384\"}",
		EC ",\"alg\":\"none\"}",
		OCT ",\"alg\":\"RS256\"}",
		"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}",
		OCT ",\"use\":\"enc\",\"k2\":1}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char file[1024];
		snprintf(file, sizeof(file), "{\"keys\":[%s]}", rows[i]);
		issuer_of(&rules, file, "no key that can verify");
		snprintf(file, sizeof(file), "{\"keys\":[%s,%s}]}", rows[i], OCT);
		issuer_release(issuer_of(&rules, file, NULL));
	}
	issuer_release(issuer_of(&rules,
	                         "{\"keys\":[" EC
	                         ",\"use\":\"sig\",\"key_ops\":[\"verify\"],\"alg\":\"ES256\"}]}",
	                         NULL));
}

static void a_key_with_a_mistake_is_named(void **state)
{
	static const struct {
		const char *file, *says;
	} rows[] = {
		{ "{\"keys\":[" OCT "}," EC ",\"d\":\"AA\"}]}", "key 2: it has a private key" },
		{ EC ",\"d\":\"AA\"}", "key 1: it has a private key" },
		{ "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}",
		  "key 1: the secret is shorter than 32" },
		{ "{\"keys\":[{\"kty\":\"oct\"}]}", "key 1: a member is missing" },
		{ "{\"keys\":[{\"kty\":\"oct\",\"k\":\"A=\"}]}", "not base64url" },
		{ "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_X
		  "\"}]}",
		  "P-256" },
		{ "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", "2048" },
		{ "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}", "32 bytes" },
		{ "{\"keys\":[" OCT "}," OCT "}", "not valid JSON" },
		{ "{\"keys\":[],\"keys\":[]}", "twice" },
		{ "{\"keys\":{}}", "no key that can verify" },
		{ "", "no key that can verify" },
		{ "[]", "no key that can verify" },
		{ "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		  "cannot be read" },
		{ "-----BEGIN X-----\nAAAA\n-----END X-----\n", "not a public key" },
		{ "-----BEGIN PUBLIC KEY-----\n", "cannot be read" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		issuer_of(&rules, rows[i].file, rows[i].says);
}

/* A set of secrets, the last of which is SECRET.  The first ones have a name each, "0" and so on;
 * the last `alike` have these members. */
static char *set_of(unsigned count, unsigned alike, const char *members)
{
	struct buf file = { 0 };

	buf_text(&file, "{\"keys\":[");
	for (unsigned i = 0; i < count; i++) {
		char secret[40], name[40];
		snprintf(secret, sizeof(secret), "%032u", i);
		snprintf(name, sizeof(name), ",\"kid\":\"%u\"", i);
		char *jwk = jwk_of_secret(i + 1 == count ? SECRET : secret,
		                          i + alike < count ? name : members);
		buf_format(&file, "%s%s", i ? "," : "", jwk);
		free(jwk);
	}
	buf_text(&file, "]}");
	buf_string(&file);
	return file.ptr;
}

/* The fault of a token with this header for the keys of this file; NULL: it is accepted. */
static const char *fault_of(const char *header, char *file)
{
	struct buf token = token_of(header, CLAIMS);
	struct issuer *issuer = issuer_of(&rules, file, NULL);
	const char *fault = NULL;
	struct credential *c = issuer_verify(issuer, buf_as_slice(&token), NOW, &fault);

	assert_true(c || fault);
	fault = c ? NULL : fault;
	credential_release(c);
	issuer_release(issuer);
	buf_finish(&token);
	free(file);
	return fault;
}

static void the_last_of_32_keys_verifies_and_33_are_too_many(void **state)
{
	char *more = set_of(33, 0, "");

	(void)state;
	assert_null(fault_of("{\"alg\":\"HS256\",\"kid\":\"31\"}", set_of(32, 0, "")));
	issuer_of(&rules, more, "more than 32 keys");
	free(more);
}

/* A wrong token must not cost many tries.  A name fits its own keys and those without a name. */
static void of_keys_with_the_same_name_or_none_4_are_tried(void **state)
{
	static const struct {
		const char *members;
		unsigned count, alike;
		bool good;
	} rows[] = {
		{ "", 4, 4, true },
		{ "", 5, 5, false },
		{ "", 32, 3, true },
		{ "", 32, 4, false },
		{ ",\"kid\":\"a\"", 32, 4, true },
		{ ",\"kid\":\"a\"", 32, 5, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *file = set_of(rows[i].count, rows[i].alike, rows[i].members);
		if (rows[i].good) {
			assert_null(fault_of("{\"alg\":\"HS256\",\"kid\":\"a\"}", file));
			continue;
		}
		issuer_of(&rules, file, "give each a kid of its own");
		free(file);
	}
}

static void a_token_without_a_name_fits_4_keys_at_most(void **state)
{
	(void)state;
	assert_null(fault_of(HEADER, set_of(4, 0, "")));
	assert_null(fault_of(HEADER, set_of(4, 2, "")));
	assert_non_null(strstr(fault_of(HEADER, set_of(5, 0, "")), "kid"));
	assert_non_null(strstr(fault_of(HEADER, set_of(5, 1, "")), "kid"));
}

static void a_key_with_another_name_does_not_verify(void **state)
{
	char *file = jwk_of_secret(SECRET, ",\"kid\":\"one\"");
	struct issuer *issuer = issuer_of(&rules, file, NULL);
	static const struct {
		const char *header;
		bool good;
	} rows[] = { { "{\"alg\":\"HS256\",\"kid\":\"one\"}", true },
		     { "{\"alg\":\"HS256\",\"kid\":\"One\"}", false },
		     { "{\"alg\":\"HS256\",\"kid\":\"\"}", false },
		     { HEADER, true } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *fault;
		struct buf token = token_of(rows[i].header, CLAIMS);
		struct credential *c = issuer_verify(issuer, buf_as_slice(&token), NOW, &fault);
		assert_int_equal(c != NULL, rows[i].good);
		credential_release(c);
		buf_finish(&token);
	}
	issuer_release(issuer);
	free(file);
}

static void an_issuer_without_the_key_does_not_know_the_credential(void **state)
{
	char *file = jwk_of_secret("another secret that has 32 bytes", "");
	struct issuer *other = issuer_of(&rules, file, NULL);
	struct credential *c = credential_of(&rules, CLAIMS);

	(void)state;
	assert_false(issuer_knows(other, c) || issuer_knows(NULL, c));
	credential_release(c);
	issuer_release(other);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_token_has_three_parts),
		TEST(a_token_with_any_other_character_is_refused),
		TEST(a_token_has_8192_bytes_at_most),
		TEST(a_part_is_a_json_object_without_duplicates),
		TEST(a_part_is_16_levels_deep_at_most),
		TEST(the_key_decides_the_algorithm),
		TEST(critical_parameters_are_refused),
		TEST(a_token_of_another_type_is_no_access_token),
		TEST(a_token_has_an_end),
		TEST(a_token_expires_at_its_millisecond),
		TEST(a_token_begins_with_a_minute_of_slack),
		TEST(issuer_and_audience_are_compared_when_they_are_configured),
		TEST(a_scope_is_an_array_or_a_string_of_words),
		TEST(jobs_are_patterns),
		TEST(claims_are_found_by_json_pointers),
		TEST(subjects_are_told_apart_within_their_issuer),
		TEST(a_key_for_something_else_is_passed_over),
		TEST(a_key_with_a_mistake_is_named),
		TEST(the_last_of_32_keys_verifies_and_33_are_too_many),
		TEST(of_keys_with_the_same_name_or_none_4_are_tried),
		TEST(a_token_without_a_name_fits_4_keys_at_most),
		TEST(a_key_with_another_name_does_not_verify),
		TEST(an_issuer_without_the_key_does_not_know_the_credential),
	};

	return RUN("jwt", tests);
}
