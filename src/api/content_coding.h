/* Content codings. */
#ifndef JOBLIGHT_API_CONTENT_CODING_H
#define JOBLIGHT_API_CONTENT_CODING_H

#include "joblight/base/slice.h"

/*
 * Whether a client with this Accept-Encoding (RFC 9110 section 12.5.3) accepts gzip, by the item
 * for gzip, or for "*" if there is none.  Without the header (ptr NULL) the result is false,
 * because such clients rarely can.
 */
bool coding_takes_gzip(struct slice accept_encoding);

#endif
