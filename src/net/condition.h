/* Conditional reads: the order of RFC 9110 section 13.2.2, for an answer that would be 200. */
#ifndef JOBLIGHT_NET_CONDITION_H
#define JOBLIGHT_NET_CONDITION_H

#include "request.h"

enum condition { CONDITION_HOLDS, CONDITION_NOT_MODIFIED, CONDITION_FAILED };

/*
 * `lines` are the header lines of the answer, which may have an ETag.  If-Modified-Since,
 * If-Unmodified-Since, Range and If-Range are ignored, because nothing here has a Last-Modified,
 * and answers are always whole.
 */
enum condition condition_of(const struct request *r, const char *lines);

#endif
