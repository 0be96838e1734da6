/* What the database knows about tokens (token.h): the key that signs them, and those that were
 * revoked before their end. */
#ifndef JOBLIGHT_CORE_TOKEN_ROW_H
#define JOBLIGHT_CORE_TOKEN_ROW_H

#include <stdint.h>

#define TOKEN_ID_LEN 22      /* 128 random bits in base64url */
#define SIGNING_KEY_ID_LEN 8 /* base64url */
#define SIGNING_SECRET_LEN 32

/* A server has one.  It is made at the first start and kept. */
struct signing_key_row {
	char id[SIGNING_KEY_ID_LEN + 1];
	uint8_t secret[SIGNING_SECRET_LEN];
};

struct revoked_token_row {
	char id[TOKEN_ID_LEN + 1];
	int64_t expires; /* Unix milliseconds; afterwards the row is not needed any more */
};

#endif
