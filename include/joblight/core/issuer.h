/*
 * Tokens of somebody else: JSON Web Tokens (RFC 7519) that an identity provider or the application
 * itself signs, verified with the keys of one file.  The keys are those of a JWK set (RFC 7517), or
 * public keys in PEM.
 *
 * An issuer is immutable and shared by reference count, in any thread.  No I/O or clock.
 */
#ifndef JOBLIGHT_CORE_ISSUER_H
#define JOBLIGHT_CORE_ISSUER_H

#include "joblight/core/credential.h"

#define ISSUER_KEYS_MAX 32
#define ISSUER_FILE_MAX (256 * 1024) /* bytes */

/*
 * What a token must say.  Claims are named by JSON pointers (RFC 6901).
 */
struct issuer_rules {
	const char *issuer;   /* the claim "iss" must be this; NULL: not checked */
	const char *audience; /* the claim "aud" must have it; NULL: not checked */
	const char *scope, *jobs, *commands, *name;
};

bool json_pointer_valid(const char *pointer);

struct issuer;

/* Makes an issuer from the bytes of the file; the texts are copied.  NULL: `error` says what to
 * change in it. */
struct issuer *issuer_create(const struct issuer_rules *rules, struct slice file, char *error,
                             size_t error_len);
struct issuer *issuer_hold(struct issuer *i); /* NULL is ignored */
void issuer_release(struct issuer *i);        /* NULL is ignored */

/*
 * The credential of a token, which the caller owns.  NULL: *fault says why it is not in force.  The
 * token must have an end, and its algorithm must be the one of the key.
 */
struct credential *issuer_verify(const struct issuer *i, struct slice token, int64_t wall_ms,
                                 const char **fault);
/*
 * Whether the key that signed the token of this credential is one of its keys, and the rules that
 * decide what the token may do are the same.
 */
bool issuer_knows(const struct issuer *i, const struct credential *c); /* NULL: no */

#endif
