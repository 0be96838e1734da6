/* Credentials for a part of what a client may do, from which tokens are made. */
#ifndef JOBLIGHT_API_ACCESS_GRANTS_H
#define JOBLIGHT_API_ACCESS_GRANTS_H

#include "joblight/core/token.h"

struct conn;

/*
 * A credential with those of these rights that the client has, over one job (NULL: all its jobs),
 * until `expires` at most (Unix milliseconds, 0: forever).  On a server without keys, where no
 * credential is looked at, it has all of them.  The caller owns it.
 */
struct credential *grant_part(const struct conn *c, enum right rights, const char *job_id,
                              int64_t expires);

#endif
