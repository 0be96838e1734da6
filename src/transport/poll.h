/* Polling and long polling: a subscriber that is answered once. */
#ifndef JOBLIGHT_TRANSPORT_POLL_H
#define JOBLIGHT_TRANSPORT_POLL_H

#include "net/connection.h"

/* Handles GET /api/jobs/:job/updates: the answer waits until there are events, or for ?wait=. */
void updates_poll(struct conn *c, struct request *r);

#endif
