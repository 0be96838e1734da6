/*
 * The head of an HTTP/1 request, checked byte by byte as RFC 9112 sections 2 to 5 write it.
 *
 * libwebsockets takes folded lines, bare CRs, lower-case methods and names with spaces, answers broken
 * escapes with a page of HTML, and closes without a word when something is too large.  So the first head
 * of a connection is looked at here before lws sees it.
 */
#ifndef JOBLIGHT_NET_HEAD_H
#define JOBLIGHT_NET_HEAD_H

#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"

enum head { HEAD_INCOMPLETE, HEAD_GOOD, HEAD_REFUSED };

/* `bytes` may hold more than the head.  REFUSED: the problem says why. */
enum head head_check(struct slice bytes, const struct limits *limits, struct problem *problem);

#endif
