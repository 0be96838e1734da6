/*
 * The lines of refused requests and messages in the audit log.  Each loop limits
 * them by their cause (log_limit.h), so an attacker cannot fill the disk.  Used in the loop's
 * thread.
 */
#ifndef JOBLIGHT_NET_REFUSED_H
#define JOBLIGHT_NET_REFUSED_H

#include <stdint.h>

#include "joblight/base/log_limit.h"
#include "joblight/core/op.h"
#include "joblight/core/outcome.h"

struct conn;

struct refused {
	struct log_limit causes[OUTCOME_COUNT];
};

/*
 * `route` is a row of routes.def, never the path that the client sent, because that may hold
 * anything; NULL: it was a message of a WebSocket.  `job_id` (or NULL) is a valid id.
 */
void refused_note(const struct conn *c, enum outcome o, const char *route, const char *job_id);
/* Tells what was left out in the seconds that are over at `now_ms`. */
void refused_tick(struct refused *r, uint64_t now_ms);

/* The address of the client, for a line; "" if it is not known. */
void refused_client(const struct conn *c, char out[OP_CLIENT_MAX + 1]);

#endif
