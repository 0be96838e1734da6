/* The compact form of JSON Web Tokens (RFC 7519, RFC 7515 section 3.1): its parts and its claims.
 * Private to the files that make and verify tokens. */
#ifndef JOBLIGHT_CORE_JWT_H
#define JOBLIGHT_CORE_JWT_H

#include "decode_tree.h"
#include "joblight/core/credential.h"

#define JWT_MAX 8192 /* bytes; a request's header section is not longer */

struct jwt {
	cJSON *header, *claims; /* objects */
	struct slice text;      /* that is signed; points into the token */
	struct buf signature;
};

/* The header is checked: RFC 7515 section 4.1.  False: it is not a token, and *fault says why.  The
 * caller finishes `t` in both cases. */
bool jwt_parse(struct slice token, struct jwt *t, const char **fault);
void jwt_finish(struct jwt *t);
/* Appends a token that is signed with HS256. */
void jwt_encode(struct buf *out, struct slice header, struct slice claims, struct slice secret);

/* A member that is a string; NULL: there is none. */
const char *jwt_string(const cJSON *object, const char *name);
/*
 * A NumericDate (RFC 7519 section 2) as Unix milliseconds; 0: there is none.  False: it is not a
 * time after 1970.
 */
bool jwt_time(const cJSON *claims, const char *name, int64_t *ms);

/*
 * The value of a scope: an array of strings, or a string of words (RFC 8693 section 4.2).  Words
 * that are no rights are ignored.
 */
enum right jwt_rights(const cJSON *scope);
/* An array of patterns of job ids, or one, as access_key_row.jobs.  NULL: it is not that.  The
 * caller frees it. */
char *jwt_jobs(const cJSON *jobs);
/* An array of names of commands, as credential.commands.  NULL: it is not that. */
char *jwt_commands(const cJSON *commands);

#endif
