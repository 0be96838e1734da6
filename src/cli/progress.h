/*
 * Finds progress in the output of a program: 42%, [ 42%], 3/10, [3/10], 3 of 10.
 *
 * A number counts when it stands by itself: not in a path (src/3/10.c), a date (2026/02/05), a
 * version or a word.  What stands in brackets, as make, cmake, ninja and docker print it, is
 * preferred: after the first of these, a bare number no longer counts.  The progress only grows.
 *
 * The output may be cut into pieces anywhere; control sequences of terminals are ignored.  Start
 * with progress_init().
 */
#ifndef JOBLIGHT_CLI_PROGRESS_H
#define JOBLIGHT_CLI_PROGRESS_H

#include <stdint.h>

#include "ansi.h"
#include "joblight/base/slice.h"

enum progress_state {
	PROGRESS_TEXT,
	PROGRESS_NUMBER,       /* 4 */
	PROGRESS_FRACTION,     /* 4.2 */
	PROGRESS_AFTER_NUMBER, /* "42 " */
	PROGRESS_PERCENT,      /* 42% */
	PROGRESS_O,            /* "3 o" */
	PROGRESS_OF,           /* "3 of" */
	PROGRESS_SLASH,        /* "3/" */
	PROGRESS_TOTAL,        /* 3/1 */
};

struct progress {
	double percent; /* -1: none yet */
	struct ansi ansi;
	enum progress_state state;
	int before;     /* the last character that is no part of a number */
	bool bracketed; /* the number stands directly after an opening bracket */
	bool after_colon;
	bool prefers_brackets;
	unsigned digits; /* of the part that is being read */
	uint64_t number, total;
	double fraction, fraction_unit;
};

void progress_init(struct progress *p);
/* True when p->percent has grown. */
bool progress_take(struct progress *p, struct slice output);
/* The program pauses: "42%" at the end of what it printed counts now. */
bool progress_pause(struct progress *p);

#endif
