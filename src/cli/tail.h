/* The last lines of a program's output, for people. */
#ifndef JOBLIGHT_CLI_TAIL_H
#define JOBLIGHT_CLI_TAIL_H

#include "joblight/base/buf.h"

#define TAIL_KEPT 16384 /* bytes */

struct tail {
	char bytes[TAIL_KEPT]; /* a ring */
	size_t at;             /* where the next byte goes */
	bool full;
};

void tail_add(struct tail *t, struct slice output);
/*
 * Appends the last lines, at most so many and so many bytes: without control sequences, and of a
 * line that was redrawn (\r) what was drawn last.  The text is UTF-8.
 */
void tail_text(const struct tail *t, struct buf *out, unsigned lines, size_t bytes);

#endif
