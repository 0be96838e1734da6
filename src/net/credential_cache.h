/*
 * Tokens that were verified lately, by the SHA-256 of their text, so that a kept connection costs
 * one verification.  One loop's thread.
 */
#ifndef JOBLIGHT_NET_CREDENTIAL_CACHE_H
#define JOBLIGHT_NET_CREDENTIAL_CACHE_H

#include "joblight/core/credential.h"

#define CREDENTIAL_CACHE_SLOTS 1024 /* a token takes the place of another one of its slot */

struct credential_cache {
	struct credential_cache_slot {
		uint8_t hash[DIGEST_LEN];
		struct credential *credential; /* held; NULL: free */
	} slots[CREDENTIAL_CACHE_SLOTS];
};

/* NULL: it was not verified lately, or has expired since.  The caller gets a reference. */
struct credential *credential_cache_find(struct credential_cache *cache, struct slice token,
                                         int64_t wall_ms);
void credential_cache_add(struct credential_cache *cache, struct slice token,
                          struct credential *credential); /* holds it */
/* Forgets all tokens.  Call it when what verifies them has changed, and at the end. */
void credential_cache_clear(struct credential_cache *cache);

#endif
