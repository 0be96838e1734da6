/*
 * The tokens that the server makes: JSON Web Tokens (RFC 7519), signed with HS256 and a secret that
 * only the server has.  Each kind has a type of its own (RFC 8725 section 3.11), so that none can
 * be used as another.
 *
 *   access   a credential for one job, which an application gives to a browser of its customer
 *   ticket   opens one stream of the job, once, within its 30 seconds; continues it afterwards
 *   session  the cookie of a page
 *   code     a link that logs in, once
 *
 * A token is in force as long as the key that made it is, and until its end, unless it was revoked.
 * No I/O, threads or clock; any thread.
 */
#ifndef JOBLIGHT_CORE_TOKEN_H
#define JOBLIGHT_CORE_TOKEN_H

#include "joblight/core/keyring.h"

/* For so long it is known of a ticket whether it has opened a stream, where several nodes use it.
 * An older one can only continue a stream, and is taken to have opened it. */
#define TICKET_KEPT_MS 86400000

enum token_kind { TOKEN_ACCESS, TOKEN_TICKET, TOKEN_SESSION, TOKEN_CODE };

struct token {
	enum token_kind kind;
	char id[TOKEN_ID_LEN + 1];
	int64_t issued, expires; /* Unix milliseconds, whole seconds */
	uint64_t run;            /* of a ticket: the process that made it */
	/*
	 * What its holder may do.  Its own end is that of the token; for a ticket, that of the
	 * credential it was made with, until which the stream may be continued.  Owned.
	 */
	struct credential *credential;
};

/*
 * A credential for a part of what `maker` may do: a copy with these rights over one job (NULL: all
 * its jobs), with the end `expires` unless the maker's comes first, in whole seconds.  It is a
 * token of the maker's key.  The caller owns it.
 */
struct credential *credential_narrow(const struct credential *maker, enum right rights,
                                     const char *job_id, int64_t expires);

/* Sets t->id.  `entropy` gives random bytes. */
void token_identify(struct token *t, access_key_entropy *entropy);
/* Appends the token, signed with the key of the ring, which has one. */
void token_encode(struct buf *out, const struct token *t, const struct keyring *ring);

/*
 * Verifies a token of this kind.  False: *fault says why it is not in force.  A ticket that has
 * expired is accepted when its credential is in force: the caller compares t->expires.  The caller
 * releases t->credential.
 */
bool token_decode(const struct keyring *ring, enum token_kind kind, struct slice text,
                  int64_t wall_ms, struct token *t, const char **fault);

/* Whether its type is one of those above; it may have been forged. */
bool token_is_own(struct slice text);

/*
 * Whether the key of a token is in force and the token was not revoked; of a credential of another
 * kind, true.
 */
bool token_is_backed(const struct keyring *ring, const struct credential *c, int64_t wall_ms);

#endif
