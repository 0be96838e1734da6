/* base64url, and the signatures and keys of JSON Web Signature. */
#include "kit.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "joblight/base/base64url.h"
#include "joblight/base/jws.h"

/* ---- base64url ---- */

static bool decodes(const char *text, const char *wanted)
{
	struct buf out = { 0 };
	bool ok = base64url_decode(&out, slice_of(text));
	bool same = ok && strcmp(buf_string(&out), wanted) == 0;

	assert_true(ok || !out.len);
	buf_finish(&out);
	return same;
}

static void base64url_has_the_vectors_of_rfc_4648_without_padding(void **state)
{
	static const char *const rows[][2] = { { "", "" },
		                               { "f", "Zg" },
		                               { "fo", "Zm8" },
		                               { "foo", "Zm9v" },
		                               { "foob", "Zm9vYg" },
		                               { "fooba", "Zm9vYmE" },
		                               { "foobar", "Zm9vYmFy" },
		                               { "\xfb\xff\xbf", "-_-_" } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = { 0 };
		base64url_encode(&out, slice_of(rows[i][0]));
		assert_string_equal(buf_string(&out), rows[i][1]);
		buf_finish(&out);
		assert_true(decodes(rows[i][1], rows[i][0]));
	}
}

static void base64url_has_one_text_for_some_bytes(void **state)
{
	static const char *const wrong[] = {
		"Z",   "Zg==", "Zm8=",     "Zm9vY", "Zm9v=", "=",      "Z+8",   "Z/8", " Zg",
		"Zg ", "Zg\n", "Zm9v\r\n", "Zm9-v", "Zm.9",  "Zm\xc3", "Zm9v ", "Z g", "\"Zg\""
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct buf out = { 0 };
		assert_false(base64url_decode(&out, slice_of(wrong[i])));
		assert_int_equal(out.len, 0);
		buf_finish(&out);
	}
	struct buf out = { 0 };
	assert_false(base64url_decode(&out, (struct slice){ "Zg\0\0", 4 }));
	buf_finish(&out);
}

/* Every text of two or three characters that stands for a byte or two; bits left over must be 0. */
static void base64url_leaves_no_bits_over(void **state)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned good = 0;

	(void)state;
	for (unsigned last = 0; last < 64; last++) {
		char two[] = { 'Z', digits[last], '\0' },
		     three[] = { 'Z', 'm', digits[last], '\0' };
		struct buf out = { 0 };
		good += base64url_decode(&out, slice_of(two));
		assert_int_equal(out.len, last % 16 ? 0 : 1);
		out.len = 0;
		good += base64url_decode(&out, slice_of(three));
		assert_int_equal(out.len, last % 4 ? 0 : 2);
		buf_finish(&out);
	}
	assert_int_equal(good, 4 + 16);
}

/* ---- the examples of the standards ---- */

static struct buf bytes_of(const char *text)
{
	struct buf out = { 0 };

	assert_true(base64url_decode(&out, slice_of(text)));
	return out;
}

#define PAYLOAD                                                                                    \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"

struct example {
	const char *first, *second, *text, *signature;
};

/* RFC 7515 appendix A.1 to A.3, RFC 8037 appendix A. */
static const struct example hs256 = {
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
	NULL,
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." PAYLOAD,
	"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
};
static const struct example rs256 = {
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0"
	"Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXnd"
	"S5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5Ihl"
	"JH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
	"AQAB",
	"eyJhbGciOiJSUzI1NiJ9." PAYLOAD,
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2"
	"Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjt"
	"QBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6"
	"IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
};
static const struct example es256 = {
	"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
	"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
	"eyJhbGciOiJFUzI1NiJ9." PAYLOAD,
	"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
};
static const struct example eddsa = {
	"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
	NULL,
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
	"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
};

static struct jws_key *key_of(const struct example *e)
{
	const char *fault = NULL;
	struct buf a = bytes_of(e->first), b = bytes_of(e->second ? e->second : "");
	struct slice first = buf_as_slice(&a), second = buf_as_slice(&b);
	struct jws_key *key = e == &hs256   ? jws_key_secret(first, &fault)
	                      : e == &rs256 ? jws_key_rsa(first, second, &fault)
	                      : e == &es256 ? jws_key_p256(first, second, &fault)
	                                    : jws_key_ed25519(first, &fault);

	if (!key)
		fail_msg("%s", fault);
	buf_finish(&a);
	buf_finish(&b);
	return key;
}

static bool verifies(const struct example *e, struct slice text, struct slice signature)
{
	struct jws_key *key = key_of(e);
	bool ok = jws_verify(key, text, signature);

	jws_key_free(key);
	return ok;
}

static bool takes(const struct example *e, const void *signature, size_t len)
{
	return verifies(e, slice_of(e->text), (struct slice){ signature, len });
}

/* Each example verifies; with one bit changed anywhere, shorter or longer, it does not. */
static void check_example(const struct example *e, enum jws_algorithm a, const char *name)
{
	struct buf signature = bytes_of(e->signature), text = { 0 };
	struct jws_key *key = key_of(e);

	assert_int_equal(jws_key_algorithm(key), a);
	assert_string_equal(jws_algorithm_name(a), name);
	assert_true(takes(e, signature.ptr, signature.len));
	for (size_t bit = 0; bit < signature.len * 8; bit++) {
		signature.ptr[bit / 8] = (char)(signature.ptr[bit / 8] ^ 1 << bit % 8);
		assert_false(jws_verify(key, slice_of(e->text), buf_as_slice(&signature)));
		signature.ptr[bit / 8] = (char)(signature.ptr[bit / 8] ^ 1 << bit % 8);
	}
	buf_text(&text, e->text);
	for (size_t i = 0; i < text.len; i++) {
		text.ptr[i] ^= 1;
		assert_false(jws_verify(key, buf_as_slice(&text), buf_as_slice(&signature)));
		text.ptr[i] ^= 1;
	}
	for (size_t len = 0; len < signature.len; len++)
		assert_false(takes(e, signature.ptr, len));
	buf_char(&signature, '\0');
	assert_false(takes(e, signature.ptr, signature.len));
	jws_key_free(key);
	buf_finish(&signature);
	buf_finish(&text);
}

static void the_examples_of_the_standards_verify(void **state)
{
	(void)state;
	check_example(&hs256, JWS_HS256, "HS256");
	check_example(&rs256, JWS_RS256, "RS256");
	check_example(&es256, JWS_ES256, "ES256");
	check_example(&eddsa, JWS_EDDSA, "EdDSA");
}

static void hs256_is_signed_as_in_the_example(void **state)
{
	struct buf secret = bytes_of(hs256.first), wanted = bytes_of(hs256.signature);
	uint8_t made[JWS_HS256_LEN];

	(void)state;
	jws_sign_hs256(buf_as_slice(&secret), slice_of(hs256.text), made);
	assert_memory_equal(made, wanted.ptr, sizeof(made));
	buf_finish(&secret);
	buf_finish(&wanted);
}

/* ---- ES256: the cases of Wycheproof ---- */

static const char order_hex[] = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";

static void put_number(const BIGNUM *n, unsigned char *out)
{
	assert_int_equal(BN_bn2binpad(n, out, 32), 32);
}

static void es256_refuses_halves_that_are_out_of_range(void **state)
{
	struct buf good = bytes_of(es256.signature);
	unsigned char bad[64], order[32];
	BIGNUM *n = NULL;

	(void)state;
	assert_true(BN_hex2bn(&n, order_hex));
	put_number(n, order);
	for (int half = 0; half < 2; half++) {
		memcpy(bad, good.ptr, 64);
		memset(bad + 32 * half, 0, 32);
		assert_false(takes(&es256, bad, 64));
		memcpy(bad + 32 * half, order, 32);
		assert_false(takes(&es256, bad, 64));
		memset(bad + 32 * half, 0xff, 32);
		assert_false(takes(&es256, bad, 64));
	}
	memset(bad, 0, 64);
	assert_false(takes(&es256, bad, 64));
	bad[31] = bad[63] = 1;
	assert_false(takes(&es256, bad, 64));
	memcpy(bad, order, 32);
	memcpy(bad + 32, order, 32);
	assert_false(takes(&es256, bad, 64));
	BN_free(n);
	buf_finish(&good);
}

/* Both s and n - s verify: RFC 7518 does not choose, and a token is not known by its signature. */
static void es256_takes_a_high_s(void **state)
{
	struct buf good = bytes_of(es256.signature);
	unsigned char high[64];
	BIGNUM *n = NULL, *s = BN_bin2bn((unsigned char *)good.ptr + 32, 32, NULL);

	(void)state;
	assert_true(BN_hex2bn(&n, order_hex) && BN_sub(s, n, s));
	memcpy(high, good.ptr, 32);
	put_number(s, high + 32);
	assert_true(takes(&es256, high, 64));
	BN_free(n);
	BN_free(s);
	buf_finish(&good);
}

static void es256_refuses_der(void **state)
{
	struct buf good = bytes_of(es256.signature);
	unsigned char der[72] = { 0x30, 69, 2, 32 };

	(void)state;
	memcpy(der + 4, good.ptr, 32); /* its first bit is 0 */
	der[36] = 2;
	der[37] = 33; /* a zero before it, because its first bit is 1 */
	memcpy(der + 39, good.ptr + 32, 32);
	assert_false(takes(&es256, der, 71));
	assert_false(takes(&es256, der, 64));
	buf_finish(&good);
}

/* ---- Ed25519 ---- */

/* s + L verifies where s is not compared with L: RFC 8032 section 5.1.7. */
static void eddsa_refuses_a_scalar_that_is_not_reduced(void **state)
{
	static const unsigned char order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a,       0x63,
		                                 0x12, 0x58, 0xd6, 0x9c, 0xf7,       0xa2,
		                                 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	struct buf bad = bytes_of(eddsa.signature);
	unsigned carry = 0;

	(void)state;
	for (int i = 0; i < 32; i++) {
		carry += (unsigned char)bad.ptr[32 + i] + order[i];
		bad.ptr[32 + i] = (char)carry;
		carry >>= 8;
	}
	assert_int_equal(carry, 0);
	assert_false(takes(&eddsa, bad.ptr, 64));
	memcpy(bad.ptr + 32, order, 32);
	assert_false(takes(&eddsa, bad.ptr, 64));
	memset(bad.ptr + 32, 0, 32);
	assert_false(takes(&eddsa, bad.ptr, 64));
	buf_finish(&bad);
}

/* ---- RS256 ---- */

static void rs256_refuses_what_is_no_number_below_the_modulus(void **state)
{
	struct buf n = bytes_of(rs256.first);
	char bad[256] = { 0 };

	(void)state;
	assert_false(takes(&rs256, bad, sizeof(bad)));
	bad[255] = 1;
	assert_false(takes(&rs256, bad, sizeof(bad)));
	memset(bad, 0xff, sizeof(bad));
	assert_false(takes(&rs256, bad, sizeof(bad)));
	assert_false(takes(&rs256, n.ptr, n.len));
	buf_finish(&n);
}

/* ---- keys ---- */

static void a_secret_has_32_bytes_at_least(void **state)
{
	const char *fault = NULL;
	char secret[33] = "0123456789abcdef0123456789abcdef";
	struct jws_key *key = jws_key_secret((struct slice){ secret, 32 }, &fault);

	(void)state;
	assert_non_null(key);
	jws_key_free(key);
	assert_null(jws_key_secret((struct slice){ secret, 31 }, &fault));
	assert_non_null(strstr(fault, "32"));
	assert_null(jws_key_secret((struct slice){ 0 }, &fault));
}

static void an_ec_key_is_a_point_on_its_curve(void **state)
{
	struct buf x = bytes_of(es256.first), y = bytes_of(es256.second);
	struct slice short_x = { x.ptr, 31 };
	const char *fault = NULL;
	char zero[32] = { 0 };

	(void)state;
	assert_null(jws_key_p256(short_x, buf_as_slice(&y), &fault));
	assert_null(jws_key_p256(buf_as_slice(&x), (struct slice){ 0 }, &fault));
	assert_null(jws_key_p256((struct slice){ zero, 32 }, (struct slice){ zero, 32 }, &fault));
	y.ptr[31] ^= 1;
	fault = NULL;
	assert_null(jws_key_p256(buf_as_slice(&x), buf_as_slice(&y), &fault));
	assert_non_null(fault);
	buf_finish(&x);
	buf_finish(&y);
}

static void an_ed25519_key_has_32_bytes(void **state)
{
	struct buf x = bytes_of(eddsa.first);
	const char *fault = NULL;

	(void)state;
	assert_null(jws_key_ed25519((struct slice){ x.ptr, 31 }, &fault));
	buf_char(&x, '\0');
	assert_null(jws_key_ed25519((struct slice){ x.ptr, 33 }, &fault));
	assert_null(jws_key_ed25519((struct slice){ 0 }, &fault));
	buf_finish(&x);
}

static bool takes_rsa(const char *n, size_t n_len, const char *e, size_t e_len)
{
	const char *fault = NULL;
	struct jws_key *key = jws_key_rsa((struct slice){ n, n_len }, (struct slice){ e, e_len },
	                                  &fault);

	assert_true(key || fault);
	jws_key_free(key);
	return key;
}

static void an_rsa_key_has_2048_to_8192_bits_and_a_real_exponent(void **state)
{
	static char n[1025];
	const char e[] = "\x01\x00\x01";

	(void)state;
	memset(n, 0xa5, sizeof(n));
	assert_true(takes_rsa(n, 256, e, 3) && takes_rsa(n, 1024, e, 3));
	assert_false(takes_rsa(n, 255, e, 3) || takes_rsa(n, 128, e, 3) ||
	             takes_rsa(n, 1025, e, 3));
	assert_false(takes_rsa(n, 256, "\x01", 1) || takes_rsa(n, 256, "\x02", 1) ||
	             takes_rsa(n, 256, "\0", 1) || takes_rsa(n, 256, "", 0));
	n[255] = 2; /* even */
	assert_false(takes_rsa(n, 256, e, 3));
	n[0] = 0x7f; /* 2047 bits */
	n[255] = 1;
	assert_false(takes_rsa(n, 256, e, 3));
}

/* ---- PEM ---- */

static EVP_PKEY *generate(const char *type, int bits, const char *curve)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(context), 1);
	if (bits)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits), 1);
	if (curve)
		assert_int_equal(EVP_PKEY_CTX_set_group_name(context, curve), 1);
	assert_int_equal(EVP_PKEY_generate(context, &key), 1);
	EVP_PKEY_CTX_free(context);
	return key;
}

static struct buf taken_from(BIO *out)
{
	char *bytes;
	long len = BIO_get_mem_data(out, &bytes);
	struct buf text = { 0 };

	buf_add(&text, bytes, (size_t)len);
	BIO_free(out);
	return text;
}

static struct buf public_pem(EVP_PKEY *key)
{
	BIO *out = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PUBKEY(out, key), 1);
	return taken_from(out);
}

/* The algorithm of the only key in a text; -1: it is refused. */
static int algorithm_in(struct buf *pem, const char *says)
{
	struct slice text = buf_as_slice(pem);
	const char *fault = NULL;
	struct jws_key *key = jws_key_pem(&text, &fault);
	int found = key ? (int)jws_key_algorithm(key) : -1;

	if (!key && (!fault || !strstr(fault, says)))
		fail_msg("%s", fault ? fault : "no fault");
	if (key) {
		assert_null(jws_key_pem(&text, &fault));
		assert_null(fault);
	}
	jws_key_free(key);
	buf_finish(pem);
	return found;
}

static int algorithm_of(EVP_PKEY *key, const char *says)
{
	struct buf pem = public_pem(key);

	EVP_PKEY_free(key);
	return algorithm_in(&pem, says);
}

static void the_type_of_a_pem_key_decides_its_algorithm(void **state)
{
	(void)state;
	assert_int_equal(algorithm_of(generate("RSA", 2048, NULL), ""), JWS_RS256);
	assert_int_equal(algorithm_of(generate("EC", 0, "P-256"), ""), JWS_ES256);
	assert_int_equal(algorithm_of(generate("ED25519", 0, NULL), ""), JWS_EDDSA);
	assert_int_equal(algorithm_of(generate("RSA", 1024, NULL), "2048"), -1);
	assert_int_equal(algorithm_of(generate("RSA-PSS", 2048, NULL), "RSA"), -1);
	assert_int_equal(algorithm_of(generate("EC", 0, "P-384"), "P-256"), -1);
	assert_int_equal(algorithm_of(generate("EC", 0, "secp256k1"), "P-256"), -1);
	assert_int_equal(algorithm_of(generate("ED448", 0, NULL), "Ed25519"), -1);
	assert_int_equal(algorithm_of(generate("X25519", 0, NULL), "Ed25519"), -1);
}

static void a_private_key_in_pem_is_refused(void **state)
{
	EVP_PKEY *key = generate("EC", 0, "P-256");
	BIO *out[3] = { BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()) };

	(void)state;
	PEM_write_bio_PrivateKey(out[0], key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_PrivateKey(out[1], key, EVP_aes_128_cbc(), (unsigned char *)"pass", 4, NULL,
	                         NULL);
	PEM_write_bio_PrivateKey_traditional(out[2], key, NULL, NULL, 0, NULL, NULL);
	for (size_t i = 0; i < COUNT(out); i++) {
		struct buf pem = taken_from(out[i]);
		assert_int_equal(algorithm_in(&pem, "private"), -1);
	}
	EVP_PKEY_free(key);
}

static void a_certificate_has_a_public_key(void **state)
{
	EVP_PKEY *key = generate("EC", 0, "P-256");
	X509 *certificate = X509_new();
	BIO *out = BIO_new(BIO_s_mem());

	(void)state;
	X509_set_pubkey(certificate, key);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
	assert_true(X509_sign(certificate, key, EVP_sha256()));
	PEM_write_bio_X509(out, certificate);
	struct buf pem = taken_from(out);
	assert_int_equal(algorithm_in(&pem, ""), JWS_ES256);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void pem_blocks_are_read_one_after_the_other(void **state)
{
	EVP_PKEY *keys[2] = { generate("EC", 0, "P-256"), generate("ED25519", 0, NULL) };
	struct buf text = { 0 };
	const char *fault = NULL;

	(void)state;
	buf_text(&text, "the first\n");
	for (size_t i = 0; i < 2; i++) {
		struct buf pem = public_pem(keys[i]);
		buf_slice(&text, buf_as_slice(&pem));
		buf_text(&text, "some text between\r\n\n");
		buf_finish(&pem);
		EVP_PKEY_free(keys[i]);
	}
	struct slice at = buf_as_slice(&text);
	uint8_t digests[2][DIGEST_LEN];
	for (size_t i = 0; i < 2; i++) {
		struct jws_key *key = jws_key_pem(&at, &fault);
		assert_non_null(key);
		assert_int_equal(jws_key_algorithm(key), i ? JWS_EDDSA : JWS_ES256);
		jws_key_digest(key, digests[i]);
		jws_key_free(key);
	}
	assert_false(digest_equal(digests[0], digests[1]));
	assert_null(jws_key_pem(&at, &fault));
	assert_null(fault);
	at = (struct slice){ text.ptr, text.len - 60 }; /* the second is cut */
	jws_key_free(jws_key_pem(&at, &fault));
	assert_null(jws_key_pem(&at, &fault));
	assert_non_null(fault);
	buf_finish(&text);
}

static void the_digest_of_a_secret_is_not_its_sha_256(void **state)
{
	struct jws_key *key = key_of(&hs256);
	struct buf secret = bytes_of(hs256.first);
	uint8_t digest[DIGEST_LEN], plain[DIGEST_LEN];

	(void)state;
	jws_key_digest(key, digest);
	digest_sha256(buf_as_slice(&secret), plain);
	assert_false(digest_equal(digest, plain));
	jws_key_free(key);
	buf_finish(&secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(base64url_has_the_vectors_of_rfc_4648_without_padding),
		TEST(base64url_has_one_text_for_some_bytes),
		TEST(base64url_leaves_no_bits_over),
		TEST(the_examples_of_the_standards_verify),
		TEST(hs256_is_signed_as_in_the_example),
		TEST(es256_refuses_halves_that_are_out_of_range),
		TEST(es256_takes_a_high_s),
		TEST(es256_refuses_der),
		TEST(eddsa_refuses_a_scalar_that_is_not_reduced),
		TEST(rs256_refuses_what_is_no_number_below_the_modulus),
		TEST(a_secret_has_32_bytes_at_least),
		TEST(an_ec_key_is_a_point_on_its_curve),
		TEST(an_ed25519_key_has_32_bytes),
		TEST(an_rsa_key_has_2048_to_8192_bits_and_a_real_exponent),
		TEST(the_type_of_a_pem_key_decides_its_algorithm),
		TEST(a_private_key_in_pem_is_refused),
		TEST(a_certificate_has_a_public_key),
		TEST(pem_blocks_are_read_one_after_the_other),
		TEST(the_digest_of_a_secret_is_not_its_sha_256),
	};

	return RUN("jws", tests);
}
