/* The bodies of POST …/tokens and POST /login.  They become tokens (token.h), not operations of the
 * store. */
#ifndef JOBLIGHT_CORE_TOKEN_REQUEST_H
#define JOBLIGHT_CORE_TOKEN_REQUEST_H

#include "joblight/core/credential.h"
#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"

#define TOKEN_SECONDS_MIN 60
#define TOKEN_SECONDS_MAX 86400
#define TOKEN_SECONDS_DEFAULT 3600

struct token_request {
	enum right rights; /* watch, unless others are given */
	int64_t seconds;
	char *commands; /* as credential.commands */
	char *subject;  /* NULL: none was given */
};

/* False: the problem is set.  The caller finishes the request in both cases. */
bool token_request_decode(const struct limits *limits, struct slice body, struct token_request *t,
                          struct problem *problem);
void token_request_finish(struct token_request *t);

/* One of the two. */
struct login_request {
	char *key, *code;
};

bool login_request_decode(const struct limits *limits, struct slice body, struct login_request *l,
                          struct problem *problem);
void login_request_finish(struct login_request *l);

#endif
