#include "joblight/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

void digest_sha256(struct slice bytes, uint8_t out[DIGEST_LEN])
{
	SHA256((const unsigned char *)bytes.ptr, bytes.len, out);
}

void digest_sha1_base64(struct slice bytes, char out[DIGEST_SHA1_BASE64 + 1])
{
	unsigned char digest[SHA_DIGEST_LENGTH];

	SHA1((const unsigned char *)bytes.ptr, bytes.len, digest);
	EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
}

bool digest_equal(const uint8_t a[DIGEST_LEN], const uint8_t b[DIGEST_LEN])
{
	return CRYPTO_memcmp(a, b, DIGEST_LEN) == 0;
}

void digest_hex(const uint8_t *bytes, size_t len, char *out)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = hex[bytes[i] >> 4];
		*out++ = hex[bytes[i] & 15];
	}
	*out = '\0';
}
