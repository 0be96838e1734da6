/*
 * Credentials: what a client has shown, and what it may do with it.  A credential is an access key,
 * or a token that was made with one or signed by another issuer (token.h, issuer.h).  It has some
 * rights over some jobs.
 *
 * A credential is immutable and shared by reference count, in any thread.
 */
#ifndef JOBLIGHT_CORE_CREDENTIAL_H
#define JOBLIGHT_CORE_CREDENTIAL_H

#include <stdatomic.h>

#include "joblight/core/right.h"
#include "joblight/core/token_row.h"

#define IDENTITY_MAX 40   /* bytes */
#define COMMANDS_MAX 1024 /* bytes of all commands of a token */
#define SUBJECT_MAX 128   /* bytes */

enum credential_kind {
	CREDENTIAL_KEY,
	CREDENTIAL_TOKEN,   /* made with the key `key.id`, and in force as long as that key is */
	CREDENTIAL_FOREIGN, /* signed by another issuer with the key `signer` */
};

struct credential {
	atomic_uint references;
	enum credential_kind kind;
	/* Of a token: the id of the key that made it, or ""; the rest is its own. */
	struct access_key_row key;
	/* Tells clients apart: the id of the key, or the subject of the token within its issuer.
	 * It has no white space. */
	char identity[IDENTITY_MAX + 1];
	char token_id[TOKEN_ID_LEN + 1]; /* "": not a token that can be revoked */
	char *commands; /* it may send only these, separated by spaces; NULL: any */
	uint8_t signer[DIGEST_LEN];
};

/* The pairs of a line of the audit log that say whose a credential (or NULL) is. */
#define CREDENTIAL_TEXT(c, text) ((c) && (c)->text[0] ? (c)->text : NULL)
#define CREDENTIAL_PAIRS(c)                                                                        \
	"key", CREDENTIAL_TEXT(c, key.id), "token", CREDENTIAL_TEXT(c, token_id), "name",          \
	    CREDENTIAL_TEXT(c, key.name)

/* Makes the credential of a key.  Takes the row. */
struct credential *credential_create(struct access_key_row *key);
struct credential *credential_hold(struct credential *c); /* NULL is ignored */
void credential_release(struct credential *c);            /* NULL is ignored */

/* Sets an identity that begins with `prefix` and differs for every subject. */
void credential_identify(struct credential *c, const char *prefix, struct slice subject);

static inline enum right credential_rights(const struct credential *c)
{
	return (enum right)c->key.rights;
}

/* What people call it: its name, or its id when it has none. */
static inline const char *credential_name(const struct credential *c)
{
	return c->key.name[0] ? c->key.name : c->key.id[0] ? c->key.id : c->identity;
}

/* The id of the access key that is behind it; of a token of another issuer, its identity. */
static inline const char *credential_owner(const struct credential *c)
{
	return c->key.id[0] ? c->key.id : c->identity;
}

static inline bool credential_covers(const struct credential *c, const char *job_id)
{
	return access_key_covers(&c->key, job_id);
}

bool credential_may_command(const struct credential *c, struct slice command);

/* Whether it has expired or was revoked.  `wall_ms`: Unix milliseconds. */
bool credential_is_over(const struct credential *c, int64_t wall_ms);

#endif
