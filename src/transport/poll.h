/* Polling and long polling: GET /api/jobs/:job/updates, a subscriber that answers once. */
#ifndef JOBLIGHT_TRANSPORT_POLL_H
#define JOBLIGHT_TRANSPORT_POLL_H

#include "net/connection.h"

/* Whether the request is a poll that the hub knows of. */
bool updates_is_poll(const struct conn *c);
/* A poll's time is over (or the server stops, or its client has said all): it is answered with what
 * there is. */
void updates_answer_now(struct conn *c);

#endif
