/*
 * The head of an HTTP/1 request, read byte by byte as RFC 9112 sections 2 to 5 write it: what could
 * be understood in two ways is refused.  Every head of every connection goes through here.
 */
#ifndef JOBLIGHT_NET_REQUEST_HEAD_H
#define JOBLIGHT_NET_REQUEST_HEAD_H

#include "request.h"
#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"

/* Slices of the bytes that were parsed. */
struct request_head {
	enum method method;
	bool http_1_0;
	struct slice target; /* as it was sent: no spaces, no control characters, whole escapes */
	struct slice
	    fields; /* the header lines, each with its CRLF; see request_head_next_field() */
	size_t len; /* of the head, with the empty line at its end */
};

enum request_head_result { HEAD_INCOMPLETE, HEAD_GOOD, HEAD_REFUSED };

/* `bytes` may hold more than the head.  GOOD: *head is set.  REFUSED: the problem says why. */
enum request_head_result request_head_parse(struct slice bytes, const struct limits *limits,
                                            struct request_head *head, struct problem *problem);

/* Takes the next line off `fields` of a good head: its name, and its value without the space around
 * it. */
bool request_head_next_field(struct slice *fields, struct slice *name, struct slice *value);

/* tchar of RFC 9110 section 5.6.2. */
bool request_head_is_token(unsigned char c);

#endif
