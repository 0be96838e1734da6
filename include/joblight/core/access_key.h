/*
 * Access keys: what a client sends as `Authorization: Bearer jl_<id>_<secret>`.  The database has
 * the SHA-256 of the whole text, which is random enough that a plain digest cannot be reversed; the
 * text itself is shown once, when the key is made.  The id is no secret: it names the key in lists
 * and in the log.
 */
#ifndef JOBLIGHT_CORE_ACCESS_KEY_H
#define JOBLIGHT_CORE_ACCESS_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/digest.h"
#include "joblight/base/slice.h"

#define ACCESS_KEY_PREFIX "jl_"
#define ACCESS_KEY_ID_LEN 12
#define ACCESS_KEY_SECRET_LEN 43 /* 256 bits, 5.95 for each of 62 characters */
#define ACCESS_KEY_LEN (3 + ACCESS_KEY_ID_LEN + 1 + ACCESS_KEY_SECRET_LEN)
#define ACCESS_KEY_NAME_MAX 128
#define ACCESS_KEY_PATTERNS_MAX 2048 /* bytes of all its patterns */

struct access_key_row {
	char id[ACCESS_KEY_ID_LEN + 1];
	uint8_t hash[DIGEST_LEN];
	uint32_t rights;                   /* enum right */
	char *name;                        /* for people */
	char *jobs;                        /* patterns of job ids, separated by spaces */
	int64_t created, expires, revoked; /* Unix milliseconds; 0: never */
};

void access_key_row_finish(struct access_key_row *row); /* frees its strings */

/* Splits a key: false when it has not the form of one. */
bool access_key_parse(struct slice text, struct slice *id);
void access_key_hash(struct slice text, uint8_t hash[DIGEST_LEN]);

typedef void access_key_entropy(void *out, size_t len);
/* Makes the text of a new key, with a NUL, and sets the id and the hash of the row. */
void access_key_generate(struct access_key_row *row, access_key_entropy *entropy,
                         char text[ACCESS_KEY_LEN + 1]);

#endif
