/* Compressing an answer that is made for one request: RFC 1952. */
#ifndef JOBLIGHT_API_GZIP_H
#define JOBLIGHT_API_GZIP_H

#include <stdbool.h>

#include "joblight/base/buf.h"

/*
 * Puts the compressed bytes in the place of `body`, in the way that takes the least time: about
 * 4 µs for each KiB of text.
 */
void gzip_buf(struct buf *body);

#endif
