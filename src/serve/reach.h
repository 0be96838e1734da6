/* Who can reach a server, and what they may do there without a key. */
#ifndef JOBLIGHT_SERVE_REACH_H
#define JOBLIGHT_SERVE_REACH_H

#include "config.h"
#include "listen_option.h"

/*
 * Whether a server without keys may listen on these addresses: on loopback ones, or on any with
 * --insecure, which is logged.  False: a message on stderr says what to change.
 */
bool reach_check(const struct config *c, const struct listens *listens);

/* Logs the addresses for operators, who need no key there, that others can reach. */
void reach_warn_of_operators(const struct listens *listens);

/* Whether only this machine can reach the server. */
bool reach_is_local(const struct listens *listens);

#endif
