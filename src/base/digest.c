#include "joblight/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"

static EVP_MD *fetched;

/* It fails for lack of memory, where the error seldom says so, or because of openssl.cnf. */
static void fetch(void)
{
	char reason[256];

	fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!fetched) {
		ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
		fprintf(stderr, "joblight: OpenSSL has no SHA-256, or no memory for it: %s\n",
		        reason);
		abort();
	}
}

/* SHA256() and EVP_sha256() look for the algorithm each time.  After this the functions of EVP fail
 * only for lack of memory. */
static const EVP_MD *sha256(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch);
	return fetched;
}

void digest_sha256(struct slice bytes, uint8_t out[DIGEST_LEN])
{
	if (!EVP_Digest(bytes.ptr, bytes.len, out, NULL, sha256(), NULL))
		out_of_memory();
}

struct digest {
	EVP_MD_CTX *so_far, *ended;
};

struct digest *digest_create(void)
{
	struct digest *d = xcalloc(1, sizeof(*d));

	d->so_far = EVP_MD_CTX_new();
	d->ended = EVP_MD_CTX_new();
	if (!d->so_far || !d->ended || !EVP_DigestInit_ex(d->so_far, sha256(), NULL))
		out_of_memory();
	return d;
}

void digest_add(struct digest *d, struct slice bytes)
{
	if (!EVP_DigestUpdate(d->so_far, bytes.ptr, bytes.len))
		out_of_memory();
}

void digest_result(const struct digest *d, uint8_t out[DIGEST_LEN])
{
	if (!EVP_MD_CTX_copy_ex(d->ended, d->so_far) || !EVP_DigestFinal_ex(d->ended, out, NULL))
		out_of_memory();
}

void digest_copy(struct digest *to, const struct digest *from)
{
	if (!EVP_MD_CTX_copy_ex(to->so_far, from->so_far))
		out_of_memory();
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->so_far);
	EVP_MD_CTX_free(d->ended);
	free(d);
}

void digest_sha1_base64(struct slice bytes, char out[DIGEST_SHA1_BASE64 + 1])
{
	unsigned char digest[SHA_DIGEST_LENGTH];

	if (!SHA1((const unsigned char *)bytes.ptr, bytes.len, digest))
		out_of_memory();
	EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
}

bool digest_equal(const uint8_t a[DIGEST_LEN], const uint8_t b[DIGEST_LEN])
{
	return CRYPTO_memcmp(a, b, DIGEST_LEN) == 0;
}

bool secret_equal(struct slice a, struct slice b)
{
	return a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0;
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
