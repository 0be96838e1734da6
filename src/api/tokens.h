/* The token that the answer to POST /api/jobs?token=… has. */
#ifndef JOBLIGHT_API_TOKENS_H
#define JOBLIGHT_API_TOKENS_H

#include "net/request.h"

/* Before the job is created.  False: *problem says what is wrong with ?token=. */
bool tokens_check_new_job(const struct conn *c, const struct request *r, struct problem *problem);
/* Adds the members to the object of the new job, if the request asked for a token. */
bool tokens_add_to_new_job(const struct conn *c, struct slice job_id, struct buf *body);

#endif
