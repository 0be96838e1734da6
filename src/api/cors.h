/*
 * Cross-origin requests of browsers: the Fetch standard, section 3.2, "CORS protocol".
 *
 * A page of a listed origin (--origin) may send every request and read every answer.  With the
 * origin "*", pages of all other origins may read, without cookies.  The gate decides what is done;
 * this only tells the browser what the page may see, so it is the same with and without keys.
 */
#ifndef JOBLIGHT_API_CORS_H
#define JOBLIGHT_API_CORS_H

#include "net/request.h"

/* dispatch.add_lines: the lines that let the page read this answer, and Vary. */
void cors_add_lines(const void *context, const struct request *r, struct buf *lines);

/* Whether a browser asks before it sends the request of a page. */
bool cors_is_preflight(const struct request *r);
/* Answers with the methods and headers that the page may use on this path; 403: none. */
void cors_answer_preflight(struct conn *c, struct request *r);

#endif
