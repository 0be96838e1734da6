/*
 * JSON text (RFC 8259): a strict check of what comes in, and a writer for what goes out.
 *
 * cJSON builds the tree that decode.c reads, but it takes trailing bytes, raw control characters,
 * bad UTF-8 and 1000 levels, and it cuts strings at \u0000.  So nothing reaches it before
 * json_check().
 */
#ifndef JOBLIGHT_CORE_JSON_H
#define JOBLIGHT_CORE_JSON_H

#include "joblight/base/buf.h"

#define JSON_DEPTH_MAX 64 /* what json_check() can track at most */

/*
 * One whole JSON value, nothing behind it, valid UTF-8, no NUL in strings, surrogates in pairs, at
 * most `depth` levels.  NULL when it is; otherwise what is wrong, and *at is the offset where.
 * Stack use does not depend on the input.
 */
const char *json_check(struct slice text, unsigned depth, size_t *at);

/* The raw text of a member of a checked top-level object (the last one of that name); false: none.
 */
bool json_member(struct slice object, const char *name, struct slice *value);

/* A checked text without white space between its tokens. */
void json_minify(struct buf *out, struct slice text);

/* With quotes, escaped; the bytes must be UTF-8. */
void json_string(struct buf *out, struct slice text);
void json_number(struct buf *out, double value);  /* finite; integers without a point */
void json_time(struct buf *out, int64_t wall_ms); /* RFC 3339, with quotes */

/* `"name":` behind a comma unless it is the first member of its object. */
void json_name(struct buf *out, const char *name);

bool utf8_valid(struct slice text);
bool utf8_blank(struct slice text); /* valid, and empty or only of characters that show nothing */
/* What is not UTF-8, such as half of a character at a cut, becomes '?'. */
void utf8_mend(char *text, size_t len);

#endif
