/*
 * JSON text (RFC 8259): a strict check for input, and a writer for output.
 *
 * cJSON builds the tree that the decoders read, but it accepts trailing bytes, raw control
 * characters, bad UTF-8 and 1000 levels, and it cuts strings at \u0000.  Therefore json_check()
 * comes first.
 */
#ifndef JOBLIGHT_CORE_JSON_H
#define JOBLIGHT_CORE_JSON_H

#include "joblight/base/buf.h"

#define JSON_DEPTH_MAX                                                                             \
	64 /* what json_check() can track; a line of an export has a level more than a body */

/*
 * Checks for exactly one JSON value: valid UTF-8, no NUL in strings, surrogates in pairs, at most
 * `depth` levels.  NULL: it is valid; otherwise the result says what is wrong, and *at is the
 * offset of the fault.  The use of stack does not depend on the input.
 */
const char *json_check(struct slice text, unsigned depth, size_t *at);

/* Finds the raw text of a member of a checked top-level object (the last one of that name).
 * False: it has none. */
bool json_member(struct slice object, const char *name, struct slice *value);

/* Copies a checked text without the white space between its tokens. */
void json_minify(struct buf *out, struct slice text);

/* Appends the text as a JSON string: in quotes and escaped.  The bytes must be UTF-8. */
void json_string(struct buf *out, struct slice text);
void json_number(struct buf *out, double value);  /* finite; integers without a point */
void json_time(struct buf *out, int64_t wall_ms); /* RFC 3339, with quotes */
/* An array of the words of a text, which are separated by one space each and need no escapes. */
void json_words(struct buf *out, const char *words);

/* `"name":`, after a comma unless it is the first member of its object. */
void json_name(struct buf *out, const char *name);
/* The name and the text, which must be UTF-8; nothing when the text is NULL. */
void json_text(struct buf *out, const char *name, const char *text);

bool utf8_valid(struct slice text);
bool utf8_blank(struct slice text); /* valid, and empty or made of invisible characters only */
/* Replaces by '?' what is not UTF-8, such as half of a character at a cut. */
void utf8_mend(char *text, size_t len);

#endif
