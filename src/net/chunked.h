/*
 * The chunked transfer coding of a request's body, RFC 9112 section 7.1, as strictly as it is
 * written: CRLF and nothing else ends a line.  Extensions and trailers are read over; together they
 * may have a number of bytes, so that a small body cannot bring a large one along.
 */
#ifndef JOBLIGHT_NET_CHUNKED_H
#define JOBLIGHT_NET_CHUNKED_H

#include "joblight/base/buf.h"

struct chunked {
	int step;        /* what comes next; 0: the first size */
	unsigned digits; /* of the size that is being read */
	uint64_t left;   /* bytes of data that this chunk still has */
	size_t beside;   /* bytes of extensions and trailers so far */
};

enum chunked_result { CHUNKED_MORE, CHUNKED_DONE, CHUNKED_BAD, CHUNKED_TOO_LARGE };

/*
 * Decodes what there is of `in` onto `out`, and takes it off `in`; DONE leaves there what follows
 * the body. `out` never gets longer than max_body.  Begins with a zeroed struct; nothing is to be
 * freed.
 */
enum chunked_result chunked_take(struct chunked *c, struct slice *in, struct buf *out,
                                 uint64_t max_body, size_t max_beside);

#endif
