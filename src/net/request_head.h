/*
 * Parses the head of an HTTP/1 request by RFC 9112 sections 2 to 5, and refuses what is ambiguous.
 * Every head of every connection is parsed here.
 */
#ifndef JOBLIGHT_NET_REQUEST_HEAD_H
#define JOBLIGHT_NET_REQUEST_HEAD_H

#include "request.h"
#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"

/* All slices point into the bytes that were parsed. */
struct request_head {
	enum method method;
	bool http_1_0;
	struct slice target; /* as sent: no spaces, no control characters, complete escapes */
	struct slice
	    fields; /* the header lines, each with its CRLF; see request_head_next_field() */
	size_t len; /* length of the head with the empty line at its end */
};

enum request_head_result { HEAD_INCOMPLETE, HEAD_GOOD, HEAD_REFUSED };

/* `bytes` may be longer than the head.  GOOD: *head is set.  REFUSED: *problem says why. */
enum request_head_result request_head_parse(struct slice bytes, const struct limits *limits,
                                            struct request_head *head, struct problem *problem);

/*
 * Takes the next line of the `fields` of a good head: its name, and its value without white space
 * around it.
 */
bool request_head_next_field(struct slice *fields, struct slice *name, struct slice *value);

/* Whether it is a tchar of RFC 9110 section 5.6.2. */
bool request_head_is_token(unsigned char c);

#endif
