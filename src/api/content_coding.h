/* Content codings. */
#ifndef JOBLIGHT_API_CONTENT_CODING_H
#define JOBLIGHT_API_CONTENT_CODING_H

#include "joblight/base/slice.h"

/*
 * Whether a client with this Accept-Encoding (RFC 9110 section 12.5.3) takes gzip: what it says of
 * gzip counts, else what it says of everything ("*").  Without the header (ptr NULL): no, such
 * clients rarely can.
 */
bool coding_takes_gzip(struct slice accept_encoding);

#endif
