/* base64url without padding: RFC 4648 section 5, as RFC 7515 section 2 uses it. */
#ifndef JOBLIGHT_BASE_BASE64URL_H
#define JOBLIGHT_BASE_BASE64URL_H

#include "joblight/base/buf.h"

void base64url_encode(struct buf *out, struct slice bytes);
/*
 * Appends the bytes.  False, and nothing is appended, for a text that base64url_encode() does not
 * produce: another character, padding, white space, or bits that are left over and not zero.
 */
bool base64url_decode(struct buf *out, struct slice text);

#endif
