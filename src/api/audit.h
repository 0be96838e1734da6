/* Lines of requests in the audit log. */
#ifndef JOBLIGHT_API_AUDIT_H
#define JOBLIGHT_API_AUDIT_H

#include "joblight/core/outcome.h"
#include "joblight/core/token.h"

struct conn;
struct request;

/* A new token.  `action` says what it is for: create_token or log_in.  `job_id` may be NULL. */
void audit_token(const struct conn *c, const char *action, const struct token *t,
                 const char *job_id);

/* The refusal of a request, if it concerns what the client may do; other outcomes are ignored. */
void audit_refusal(const struct conn *c, const struct request *r, enum outcome o);

#endif
