/*
 * Signatures of JSON Web Signature (RFC 7515), made and verified by OpenSSL:
 *
 *   HS256  HMAC with SHA-256               RFC 7518 section 3.2
 *   RS256  RSASSA-PKCS1-v1_5 with SHA-256  RFC 7518 section 3.3
 *   ES256  ECDSA with P-256 and SHA-256    RFC 7518 section 3.4
 *   EdDSA  Ed25519                         RFC 8037
 *
 * The type of a key decides its only algorithm, so that a text cannot choose how it is verified.
 * Keys are immutable; any thread.
 */
#ifndef JOBLIGHT_BASE_JWS_H
#define JOBLIGHT_BASE_JWS_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/digest.h"

enum jws_algorithm { JWS_HS256, JWS_RS256, JWS_ES256, JWS_EDDSA };

const char *jws_algorithm_name(enum jws_algorithm a); /* as in the header parameter "alg" */

struct jws_key;

#define JWS_SECRET_MIN 32 /* bytes: RFC 7518 section 3.2 */
#define JWS_RSA_BITS_MIN 2048
#define JWS_RSA_BITS_MAX 8192 /* a larger key only makes verifying slow */
#define JWS_HS256_LEN 32

/*
 * Keys from the members of a JWK (RFC 7518 section 6, RFC 8037 section 2), decoded.  NULL: *fault
 * says what is wrong with it.  The caller frees the key.
 */
struct jws_key *jws_key_secret(struct slice k, const char **fault);
struct jws_key *jws_key_rsa(struct slice n, struct slice e, const char **fault);
struct jws_key *jws_key_p256(struct slice x, struct slice y, const char **fault);
struct jws_key *jws_key_ed25519(struct slice x, const char **fault);
/*
 * The public key of the next PEM block (RFC 7468) of *text: PUBLIC KEY, or the one of a
 * CERTIFICATE.  Moves *text to after the block.  NULL with *fault NULL: there are no more blocks.
 */
struct jws_key *jws_key_pem(struct slice *text, const char **fault);
void jws_key_free(struct jws_key *k); /* NULL is ignored */

enum jws_algorithm jws_key_algorithm(const struct jws_key *k);
/*
 * A digest of the key, by which it is recognized.  That of a secret tells no more about it than a
 * signature does.
 */
void jws_key_digest(const struct jws_key *k, uint8_t out[DIGEST_LEN]);

/* HS256 is compared in constant time. */
bool jws_verify(const struct jws_key *k, struct slice text, struct slice signature);
void jws_sign_hs256(struct slice secret, struct slice text, uint8_t out[JWS_HS256_LEN]);

#endif
