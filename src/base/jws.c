#include "joblight/base/jws.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "joblight/base/xalloc.h"

#define P256_LEN 32 /* bytes of a coordinate, and of each half of a signature */
#define ED25519_LEN 32

struct jws_key {
	enum jws_algorithm algorithm;
	EVP_PKEY *pkey; /* NULL for HS256 */
	size_t secret_len;
	char secret[];
};

const char *jws_algorithm_name(enum jws_algorithm a)
{
	static const char *const names[] = { [JWS_HS256] = "HS256",
		                             [JWS_RS256] = "RS256",
		                             [JWS_ES256] = "ES256",
		                             [JWS_EDDSA] = "EdDSA" };

	return names[a];
}

enum jws_algorithm jws_key_algorithm(const struct jws_key *k)
{
	return k->algorithm;
}

void jws_key_free(struct jws_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	OPENSSL_cleanse(k->secret, k->secret_len);
	free(k);
}

/* ---- keys ---- */

static struct jws_key *refuse(const char **fault, const char *why)
{
	ERR_clear_error();
	*fault = why;
	return NULL;
}

static struct jws_key *create(enum jws_algorithm a, EVP_PKEY *pkey, struct slice secret)
{
	struct jws_key *k = xcalloc(1, sizeof(*k) + secret.len);

	k->algorithm = a;
	k->pkey = pkey;
	k->secret_len = secret.len;
	if (secret.len)
		memcpy(k->secret, secret.ptr, secret.len);
	return k;
}

struct jws_key *jws_key_secret(struct slice k, const char **fault)
{
	if (k.len < JWS_SECRET_MIN)
		return refuse(fault, "the secret is shorter than 32 bytes");
	return create(JWS_HS256, NULL, k);
}

/* Takes the key. */
static struct jws_key *check_rsa(EVP_PKEY *pkey, const char **fault)
{
	int bits = EVP_PKEY_get_bits(pkey);

	if (bits >= JWS_RSA_BITS_MIN && bits <= JWS_RSA_BITS_MAX)
		return create(JWS_RS256, pkey, (struct slice){ 0 });
	EVP_PKEY_free(pkey);
	return refuse(fault, "an RSA key must have 2048 to 8192 bits");
}

static EVP_PKEY *build(const char *type, OSSL_PARAM_BLD *builder)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (!params || !context || EVP_PKEY_fromdata_init(context) <= 0 ||
	    EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		pkey = NULL;
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return pkey;
}

static BIGNUM *number_of(struct slice bytes)
{
	return BN_bin2bn((const unsigned char *)bytes.ptr, (int)bytes.len, NULL);
}

struct jws_key *jws_key_rsa(struct slice n, struct slice e, const char **fault)
{
	if (!n.len || n.len > JWS_RSA_BITS_MAX / 8 || !e.len || e.len > 8)
		return refuse(fault, "an RSA key must have 2048 to 8192 bits");
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *modulus = number_of(n), *exponent = number_of(e);
	EVP_PKEY *pkey = NULL;

	if (builder && modulus && exponent && BN_is_odd(modulus) && BN_is_odd(exponent) &&
	    !BN_is_one(exponent) && OSSL_PARAM_BLD_push_BN(builder, "n", modulus) &&
	    OSSL_PARAM_BLD_push_BN(builder, "e", exponent))
		pkey = build("RSA", builder);
	OSSL_PARAM_BLD_free(builder);
	BN_free(modulus);
	BN_free(exponent);
	return pkey ? check_rsa(pkey, fault) : refuse(fault, "it is not an RSA key");
}

/* Whether the point is on the curve. */
static bool is_on_curve(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool ok = context && EVP_PKEY_public_check(context) == 1;

	EVP_PKEY_CTX_free(context);
	return ok;
}

static struct jws_key *check_ec(EVP_PKEY *pkey, const char **fault)
{
	char curve[32] = "";

	EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), NULL);
	if (strcmp(curve, "prime256v1") == 0 && is_on_curve(pkey))
		return create(JWS_ES256, pkey, (struct slice){ 0 });
	EVP_PKEY_free(pkey);
	return refuse(fault, "it is not a key on the curve P-256");
}

struct jws_key *jws_key_p256(struct slice x, struct slice y, const char **fault)
{
	unsigned char point[1 + 2 * P256_LEN] = { 4 }; /* uncompressed: SEC 1 section 2.3.3 */
	EVP_PKEY *pkey = NULL;

	if (x.len != P256_LEN || y.len != P256_LEN)
		return refuse(fault, "the coordinates must have 32 bytes each");
	memcpy(point + 1, x.ptr, P256_LEN);
	memcpy(point + 1 + P256_LEN, y.ptr, P256_LEN);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	if (builder && OSSL_PARAM_BLD_push_utf8_string(builder, "group", "prime256v1", 0) &&
	    OSSL_PARAM_BLD_push_octet_string(builder, "pub", point, sizeof(point)))
		pkey = build("EC", builder);
	OSSL_PARAM_BLD_free(builder);
	return pkey ? check_ec(pkey, fault) : refuse(fault, "it is not a key on the curve P-256");
}

struct jws_key *jws_key_ed25519(struct slice x, const char **fault)
{
	EVP_PKEY *pkey = x.len == ED25519_LEN
	                     ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
	                                                   (const unsigned char *)x.ptr, x.len)
	                     : NULL;

	return pkey ? create(JWS_EDDSA, pkey, (struct slice){ 0 })
	            : refuse(fault, "an Ed25519 key has 32 bytes");
}

/* Takes the key. */
static struct jws_key *from_pkey(EVP_PKEY *pkey, const char **fault)
{
	if (!pkey)
		return refuse(fault, "a PEM block cannot be read");
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_RSA:
		return check_rsa(pkey, fault);
	case EVP_PKEY_EC:
		return check_ec(pkey, fault);
	case EVP_PKEY_ED25519:
		return create(JWS_EDDSA, pkey, (struct slice){ 0 });
	default:
		EVP_PKEY_free(pkey);
		return refuse(fault, "the key is not an RSA, P-256 or Ed25519 key");
	}
}

static EVP_PKEY *key_of_certificate(const unsigned char *bytes, long len)
{
	X509 *certificate = d2i_X509(NULL, &bytes, len);
	EVP_PKEY *pkey = certificate ? X509_get_pubkey(certificate) : NULL;

	X509_free(certificate);
	return pkey;
}

struct jws_key *jws_key_pem(struct slice *text, const char **fault)
{
	char *name = NULL, *header = NULL;
	unsigned char *bytes = NULL;
	struct jws_key *key = NULL;
	long len = 0;
	BIO *in = BIO_new_mem_buf(text->ptr, text->len > INT_MAX ? INT_MAX : (int)text->len);

	*fault = NULL;
	if (in && PEM_read_bio(in, &name, &header, &bytes, &len)) {
		const unsigned char *at = bytes;
		if (strcmp(name, "PUBLIC KEY") == 0)
			key = from_pkey(d2i_PUBKEY(NULL, &at, len), fault);
		else if (strcmp(name, "CERTIFICATE") == 0)
			key = from_pkey(key_of_certificate(bytes, len), fault);
		else if (strstr(name, "PRIVATE KEY"))
			refuse(fault, "it has a private key: write its public key with `openssl "
			              "pkey -pubout`");
		else
			refuse(fault, "it has a PEM block that is not a public key");
		size_t left = BIO_ctrl_pending(in);
		*text = (struct slice){ text->ptr + text->len - left, left };
	} else if (text->len && memmem(text->ptr, text->len, "-----BEGIN ", 11)) {
		refuse(fault, "a PEM block cannot be read");
	}
	ERR_clear_error();
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(bytes, (size_t)len);
	BIO_free(in);
	return key;
}

void jws_key_digest(const struct jws_key *k, uint8_t out[DIGEST_LEN])
{
	unsigned char *der = NULL;

	if (!k->pkey) {
		jws_sign_hs256((struct slice){ k->secret, k->secret_len }, SLICE("the key"), out);
		return;
	}
	int len = i2d_PUBKEY(k->pkey, &der);
	if (len <= 0)
		out_of_memory();
	digest_sha256((struct slice){ (const char *)der, (size_t)len }, out);
	OPENSSL_free(der);
}

/* ---- signatures ---- */

void jws_sign_hs256(struct slice secret, struct slice text, uint8_t out[JWS_HS256_LEN])
{
	unsigned len = JWS_HS256_LEN;

	if (!HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const unsigned char *)text.ptr,
	          text.len, out, &len))
		out_of_memory();
}

static bool verify_hs256(const struct jws_key *k, struct slice text, struct slice signature)
{
	uint8_t expected[JWS_HS256_LEN];

	jws_sign_hs256((struct slice){ k->secret, k->secret_len }, text, expected);
	return signature.len == sizeof(expected) &&
	       CRYPTO_memcmp(expected, signature.ptr, sizeof(expected)) == 0;
}

static bool verify_digest(const struct jws_key *k, const EVP_MD *digest, struct slice text,
                          const unsigned char *signature, size_t len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = context && EVP_DigestVerifyInit(context, NULL, digest, NULL, k->pkey) == 1 &&
	          EVP_DigestVerify(context, signature, len, (const unsigned char *)text.ptr,
	                           text.len) == 1;

	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return ok;
}

/* RFC 7518 section 3.4 has the two halves of the signature as they are, OpenSSL wants DER. */
static bool verify_es256(const struct jws_key *k, struct slice text, struct slice signature)
{
	unsigned char *der = NULL;
	bool ok = false;

	if (signature.len != 2 * P256_LEN)
		return false;
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = number_of((struct slice){ signature.ptr, P256_LEN });
	BIGNUM *s = number_of((struct slice){ signature.ptr + P256_LEN, P256_LEN });
	if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
		r = s = NULL; /* they belong to the pair */
		int len = i2d_ECDSA_SIG(pair, &der);
		ok = len > 0 && verify_digest(k, EVP_sha256(), text, der, (size_t)len);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	OPENSSL_free(der);
	return ok;
}

bool jws_verify(const struct jws_key *k, struct slice text, struct slice signature)
{
	const unsigned char *bytes = (const unsigned char *)signature.ptr;

	switch (k->algorithm) {
	case JWS_HS256:
		return verify_hs256(k, text, signature);
	case JWS_RS256:
		return verify_digest(k, EVP_sha256(), text, bytes, signature.len);
	case JWS_ES256:
		return verify_es256(k, text, signature);
	case JWS_EDDSA:
		return verify_digest(k, NULL, text, bytes, signature.len);
	}
	return false;
}
