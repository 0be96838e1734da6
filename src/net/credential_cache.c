#include "credential_cache.h"

static struct credential_cache_slot *slot_of(struct credential_cache *cache, struct slice token,
                                             uint8_t hash[DIGEST_LEN])
{
	uint32_t number;

	digest_sha256(token, hash);
	memcpy(&number, hash, sizeof(number));
	return &cache->slots[number % CREDENTIAL_CACHE_SLOTS];
}

struct credential *credential_cache_find(struct credential_cache *cache, struct slice token,
                                         int64_t wall_ms)
{
	uint8_t hash[DIGEST_LEN];
	const struct credential_cache_slot *slot = slot_of(cache, token, hash);

	if (!slot->credential || !digest_equal(slot->hash, hash) ||
	    credential_is_over(slot->credential, wall_ms))
		return NULL;
	return credential_hold(slot->credential);
}

void credential_cache_add(struct credential_cache *cache, struct slice token,
                          struct credential *credential)
{
	uint8_t hash[DIGEST_LEN];
	struct credential_cache_slot *slot = slot_of(cache, token, hash);

	credential_release(slot->credential);
	slot->credential = credential_hold(credential);
	memcpy(slot->hash, hash, sizeof(hash));
}

void credential_cache_clear(struct credential_cache *cache)
{
	for (size_t i = 0; i < CREDENTIAL_CACHE_SLOTS; i++) {
		credential_release(cache->slots[i].credential);
		cache->slots[i].credential = NULL;
	}
}
