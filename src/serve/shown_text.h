/* Texts of others, such as values of settings, as people may see them: in messages, and in
 * `joblight config print`. */
#ifndef JOBLIGHT_SERVE_SHOWN_TEXT_H
#define JOBLIGHT_SERVE_SHOWN_TEXT_H

#include <stdio.h>

#include "joblight/base/buf.h"
#include "joblight/base/slice.h"

/*
 * Appends the value without what is secret in it, an access key, a token, or the password of a URL,
 * and with a question mark for each control character.
 */
void shown_text_add(struct buf *out, struct slice value);
/* Writes what shown_text_add() appends. */
void shown_text_write(FILE *out, struct slice value);

/* Whether it is an access key or a token, or looks like one. */
bool shown_text_is_key(struct slice value);

#endif
