/* SHA-256 (libcrypto): fingerprints of requests and strong ETags of files. */
#ifndef JOBLIGHT_BASE_DIGEST_H
#define JOBLIGHT_BASE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/slice.h"

#define DIGEST_LEN 32

void digest_sha256(struct slice bytes, uint8_t out[DIGEST_LEN]);
/* The same of bytes that come in pieces. */
struct digest;
struct digest *digest_create(void);
void digest_add(struct digest *d, struct slice bytes);
void digest_result(const struct digest *d, uint8_t out[DIGEST_LEN]); /* of the bytes so far */
void digest_copy(struct digest *to, const struct digest *from);
void digest_free(struct digest *d); /* NULL is fine */

bool digest_equal(const uint8_t a[DIGEST_LEN], const uint8_t b[DIGEST_LEN]); /* in constant time */
/* SHA-1 in base 64, for Sec-WebSocket-Accept (RFC 6455 section 4.2.2). */
#define DIGEST_SHA1_BASE64 28
void digest_sha1_base64(struct slice bytes, char out[DIGEST_SHA1_BASE64 + 1]);
/* Compares in a time that depends on the lengths only. */
bool secret_equal(struct slice a, struct slice b);
void digest_hex(const uint8_t *bytes, size_t len, char *out); /* 2 * len + 1 bytes */

#endif
