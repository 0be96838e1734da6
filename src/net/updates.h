/* Polling and long polling: GET /api/jobs/:job/updates, a subscriber that answers once. */
#ifndef JOBLIGHT_NET_UPDATES_H
#define JOBLIGHT_NET_UPDATES_H

#include "conn.h"

/* A long poll's time is over (or the server stops): it is answered with what there is. */
void updates_answer_now(struct conn *c);

#endif
