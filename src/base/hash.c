#include "joblight/base/hash.h"

unsigned hash_bytes(const void *key, size_t len)
{
	unsigned hash;

	HASH_JEN(key, len, hash);
	return hash;
}
