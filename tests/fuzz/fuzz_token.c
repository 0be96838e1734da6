/*
 * Tokens: those of the server, those of another issuer, and the file of its keys.
 *
 * covers: src/core/jwt.c src/core/jwt_token.c src/core/jwt_issuer.c src/core/jwt_keys.c
 * src/base/base64url.c src/base/jws.c
 *
 * bar: 75 %, because jws.c has the errors of OpenSSL, and jwt_token.c and jws.c make tokens of
 * kinds that only a server makes.
 *
 * The first byte chooses.  0: a token as it is.  1: header and claims, which are encoded and signed
 * with the secret, as only a mistake of ours or a stolen secret would: the parser behind the
 * signature must stand it.  2: the file of keys of an issuer.  A token that is accepted was signed.
 */
#include "fuzz.h"

#include "core/jwt.h"
#include "joblight/base/base64url.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/issuer.h"
#include "joblight/core/json.h"
#include "joblight/core/token.h"
#include "joblight/store/backend.h"

#define NOW INT64_C(1770318000000)
#define SECRET "0123456789abcdef0123456789abcdef"

static const char jwks[] = "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"alg\":\"HS256\","
                           "\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}";

static const struct issuer_rules rules = { .issuer = "i",
	                                   .audience = "joblight",
	                                   .scope = "/scope",
	                                   .jobs = "/jobs",
	                                   .commands = "/commands",
	                                   .name = "/name" };

static struct keyring *ring;
static struct issuer *issuer;
static char access_key[ACCESS_KEY_ID_LEN + 1];
static uint8_t counter;

static void entropy(void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = counter++;
}

static void start(void)
{
	char error[200], text[ACCESS_KEY_LEN + 1];
	struct database *db = database_open(":memory:", DURABILITY_FULL, error, sizeof(error));
	struct store *store = database_writer(db);
	struct access_key_row row = { .rights = RIGHT_ALL, .created = 1 };

	row.name = xstrdup("a key");
	row.jobs = xstrdup("*");
	access_key_generate(&row, entropy, text);
	memcpy(access_key, row.id, sizeof(access_key));
	PROMISE(keyring_prepare(store, entropy) == STORE_OK);
	PROMISE(store->ops->begin(store) == STORE_OK);
	PROMISE(store->ops->access_key_put(store, &row) == STORE_OK);
	PROMISE(store->ops->commit(store) == STORE_OK);
	PROMISE(keyring_read(store, NULL, &ring) == STORE_OK);
	access_key_row_finish(&row);
	database_close(db);
	issuer = issuer_create(&rules, slice_of(jwks), error, sizeof(error));
	PROMISE(issuer);
}

static void check_credential(struct credential *c)
{
	PROMISE(!(c->key.rights & ~(unsigned)RIGHT_ALL));
	PROMISE(c->key.name && utf8_valid(slice_of(c->key.name)));
	PROMISE(!strchr(c->identity, ' ') && strlen(c->identity) <= IDENTITY_MAX);
	credential_covers(c, "render-1");
	credential_may_command(c, SLICE("stop"));
	PROMISE(!credential_is_over(c, NOW));
	credential_release(c);
}

/* Whether one of them has accepted it. */
static bool verify(struct slice text)
{
	const char *fault = NULL;
	struct token t = { 0 };
	bool any = false;

	for (int kind = TOKEN_ACCESS; kind <= TOKEN_CODE; kind++) {
		bool ok = token_decode(ring, (enum token_kind)kind, text, NOW, &t, &fault);
		PROMISE(ok || fault);
		any |= ok;
		if (ok)
			credential_release(t.credential);
		t = (struct token){ 0 };
	}
	token_is_own(text);
	struct credential *c = issuer_verify(issuer, text, NOW, &fault);
	PROMISE(c || fault);
	if (c)
		check_credential(c);
	return any || c;
}

/* $ stands for the id of the key that signs, and & for the access key. */
static void expand(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '$')
			buf_text(out, keyring_signing_key(ring)->id);
		else if (text.ptr[i] == '&')
			buf_text(out, access_key);
		else
			buf_char(out, text.ptr[i]);
}

static void verify_signed(struct slice raw)
{
	struct buf expanded = { 0 };

	expand(&expanded, raw);
	struct slice input = buf_as_slice(&expanded);
	const char *end = input.len ? memchr(input.ptr, '\n', input.len) : NULL;
	struct slice header = { input.ptr, end ? (size_t)(end - input.ptr) : 0 };
	struct slice claims = { end ? end + 1 : input.ptr, input.len - header.len - (end != NULL) };
	const struct signing_key_row *own = keyring_signing_key(ring);
	struct buf text = { 0 };

	jwt_encode(&text, header, claims, SLICE(SECRET));
	verify(buf_as_slice(&text));
	text.len = 0;
	jwt_encode(&text, header, claims,
	           (struct slice){ (const char *)own->secret, SIGNING_SECRET_LEN });
	verify(buf_as_slice(&text));
	buf_finish(&text);
	buf_finish(&expanded);
}

static void read_keys(struct slice file)
{
	char error[200] = "";
	struct issuer *made = issuer_create(&rules, file, error, sizeof(error));

	PROMISE((made == NULL) == (error[0] != '\0'));
	issuer_release(made);
}

static void check_base64url(struct slice text)
{
	struct buf bytes = { 0 }, again = { 0 };

	if (base64url_decode(&bytes, text)) {
		base64url_encode(&again, buf_as_slice(&bytes));
		PROMISE(again.len == text.len &&
		        (!text.len || memcmp(again.ptr, text.ptr, text.len) == 0));
	}
	buf_finish(&bytes);
	buf_finish(&again);
}

void fuzz_one(struct slice input)
{
	uint8_t choice = fuzz_byte(&input) % 3;

	if (!ring)
		start();
	struct slice text = fuzz_copy(input);
	check_base64url(text);
	if (choice == 0)
		verify(text);
	else if (choice == 1)
		verify_signed(text);
	else
		read_keys(text);
	fuzz_free(text);
}
