/*
 * Access control for routes and WebSocket messages.
 *
 * A server without access keys trusts whoever can reach it: the origin of a request decides
 * (origin_check.h).  With keys, a client has the rights of the key that it sends in
 * `Authorization: Bearer`, over the jobs of that key; nobody learns whether another job exists.  A
 * token, the cookie of a session, or the ticket of a stream takes the place of the key.
 * They are determined for each request, and kept in its connection for the WebSocket that it may
 * become.
 */
#ifndef JOBLIGHT_API_GATE_H
#define JOBLIGHT_API_GATE_H

#include "net/connection.h"

/* Forgets what the request before has shown.  Call it before everything that looks at it. */
void gate_reset(struct conn *c);
/* Whether the credential of the request is a ticket. */
bool gate_shows_ticket(const struct request *r, struct slice *text);
/* Sets c->rights and c->credential.  False: *problem is set. */
bool gate_enter(struct conn *c, const struct request *r, struct problem *problem);
/*
 * Whether the client may send a message that needs one of the rights `need`.  Conceals the job's id
 * (or NULL) when the client may not know of that job.  False: *problem is set.
 */
bool gate_admits(const struct conn *c, enum right need, char *job_id, struct problem *problem);
/* The same for the job in the path of a request. */
bool gate_admits_request(const struct conn *c, struct request *r, enum right need,
                         struct problem *problem);
/* What depends on the members of the operation: the id of a new job, the name of a command, and
 * what a key that only creates may change. */
bool gate_admits_op(const struct conn *c, const struct op *op, struct problem *problem);
/*
 * Whether the client may open a WebSocket at all.  A browser sends the credentials that it has with
 * any page's WebSocket, so the page's origin is checked with keys, too.
 */
bool gate_admits_socket(const struct conn *c, const struct request *r, struct problem *problem);

#endif
