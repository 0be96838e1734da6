/*
 * Decodes the chunked transfer coding of a request body, strictly by RFC 9112 section 7.1: only
 * CRLF ends a line.  Extensions and trailers are skipped.  Their bytes are limited, so that a small
 * body cannot come with large ones.
 */
#ifndef JOBLIGHT_NET_CHUNKED_H
#define JOBLIGHT_NET_CHUNKED_H

#include "joblight/base/buf.h"

struct chunked {
	int step;        /* the next step; 0 is the first size */
	unsigned digits; /* digits of the size so far */
	uint64_t left;   /* bytes of data left in this chunk */
	size_t beside;   /* bytes of extensions and trailers so far */
};

enum chunked_result { CHUNKED_MORE, CHUNKED_DONE, CHUNKED_BAD, CHUNKED_TOO_LARGE };

/*
 * Decodes `in` onto `out`, and removes from `in` what it has used; after DONE, `in` is what follows
 * the body.  `out` never gets longer than max_body.  Start with a zeroed struct; it needs no
 * cleanup.
 */
enum chunked_result chunked_take(struct chunked *c, struct slice *in, struct buf *out,
                                 uint64_t max_body, size_t max_beside);

#endif
