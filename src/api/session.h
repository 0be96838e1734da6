/*
 * Sessions of pages: a cookie that is set by POST /login, with a key or with the code of a link,
 * and taken back by POST /logout.
 *
 * The cookie has a token of its own kind, so it is in force only as long as its key.  Over https
 * its name has the prefix __Host- (RFC 6265bis section 4.1.3.2), which no other host can set. Below
 * a base path it has the prefix __Secure- and that path, so that it is sent to this server only.
 * Over plain http there are sessions on loopback addresses only, because anybody on the way could
 * read the cookie.
 */
#ifndef JOBLIGHT_API_SESSION_H
#define JOBLIGHT_API_SESSION_H

#include "joblight/core/credential.h"
#include "net/request.h"

/*
 * The credential of the cookie.  NULL: there is none, or *fault says why it is not in force.  The
 * caller gets a reference.
 */
/* Whether the request has the cookie of a session, in force or not. */
bool session_is_shown(const struct conn *c, const struct request *r);
struct credential *session_find(struct conn *c, const struct request *r, const char **fault);

/* Answers the request after OP_SESSION_END or OP_CODE_USE.  Takes the op. */
void session_answered(struct conn *c, struct op *op);

#endif
