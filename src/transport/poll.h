/* Polling and long polling: a subscriber that gets one answer. */
#ifndef JOBLIGHT_TRANSPORT_POLL_H
#define JOBLIGHT_TRANSPORT_POLL_H

#include "net/connection.h"

/* Handles GET /api/jobs/:job/updates.  The answer waits for events, up to ?wait= seconds. */
void updates_poll(struct conn *c, struct request *r);

#endif
