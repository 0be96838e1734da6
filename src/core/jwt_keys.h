/* The keys of a file: a JWK set (RFC 7517), one JWK, or public keys in PEM (RFC 7468). */
#ifndef JOBLIGHT_CORE_JWT_KEYS_H
#define JOBLIGHT_CORE_JWT_KEYS_H

#include "joblight/base/jws.h"
#include "joblight/core/issuer.h"

#define JWT_TRIES_MAX 4 /* keys that verify the signature of one token */

struct jwt_key {
	char *id; /* "kid"; NULL: none */
	struct jws_key *key;
	uint8_t digest[DIGEST_LEN];
};

struct jwt_keys {
	struct jwt_key items[ISSUER_KEYS_MAX];
	size_t count;
};

/* False: `error` says what to change.  The caller finishes `keys` in both cases. */
bool jwt_keys_read(struct jwt_keys *keys, struct slice file, char *error, size_t error_len);
void jwt_keys_finish(struct jwt_keys *keys);

#endif
