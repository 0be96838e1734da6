/* SHA-256 (libcrypto): fingerprints of requests and strong ETags of files. */
#ifndef JOBLIGHT_BASE_DIGEST_H
#define JOBLIGHT_BASE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/slice.h"

#define DIGEST_LEN 32

void digest_sha256(struct slice bytes, uint8_t out[DIGEST_LEN]);
bool digest_equal(const uint8_t a[DIGEST_LEN], const uint8_t b[DIGEST_LEN]); /* in constant time */
/* SHA-1 in base 64, for Sec-WebSocket-Accept (RFC 6455 section 4.2.2). */
#define DIGEST_SHA1_BASE64 28
void digest_sha1_base64(struct slice bytes, char out[DIGEST_SHA1_BASE64 + 1]);
void digest_hex(const uint8_t *bytes, size_t len, char *out); /* 2 * len + 1 bytes */

#endif
