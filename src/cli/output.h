/*
 * What a verb prints on standard output: lines for people on a terminal, and JSON, one object a
 * line, into a pipe or with --json.
 *
 * Text of the server has its control characters taken out before a terminal sees it.  A pipe that
 * nobody reads any more ends the process quietly, as SIGPIPE ends other tools.
 */
#ifndef JOBLIGHT_CLI_OUTPUT_H
#define JOBLIGHT_CLI_OUTPUT_H

#include "arguments.h"
#include "joblight/base/buf.h"

struct output {
	bool json;
	bool colour; /* a terminal, without NO_COLOR and not TERM=dumb */
	bool utf8;   /* the locale says so */
	bool moves;  /* the cursor can be moved: a terminal that is not TERM=dumb */
};

enum colour { COLOUR_NONE, COLOUR_DIM, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_BLUE };

void output_init(struct output *o, const struct arguments *a);
/* Of the terminal, at this moment; 80 when it is none. */
unsigned output_columns(void);
/* What is left of them after so many. */
unsigned output_room(unsigned used);

/* Prints the line, with a line feed, at once. */
void output_line(struct slice line);
/*
 * The same for what a server has written, mostly JSON: it stays one line, and a terminal gets
 * \\uXXXX in place of a control character.
 */
void output_answer(struct slice text);
/* output_line() without a line feed. */
void output_bytes(struct slice bytes);
/*
 * Prints the line as output_line() does, but returns false when it cannot be written, for a verb
 * that has something to put in order first; then output_check() ends the process.
 */
bool output_try_line(struct slice line);
/* Ends the process unless all was written. */
void output_check(void);

/* Prints "joblight: TEXT" on standard error, without control characters. */
void output_message(const char *text);
/* The same as "joblight: SUBJECT: TEXT". */
void output_error(const char *subject, const char *text);

/* Ends the process as SIGPIPE would. */
void output_end_without_reader(void);

/* Appends text, without control characters, cut to this many columns.  Returns the columns used. */
unsigned output_text(const struct output *o, struct buf *b, const char *text, unsigned columns);
/* The same, filled with spaces up to this many columns. */
void output_padded(const struct output *o, struct buf *b, const char *text, unsigned columns);
/* Appends what begins a colour, or ends it (COLOUR_NONE). */
void output_colour(const struct output *o, struct buf *b, enum colour colour);
/* Appends a bar of this many columns, brackets included. */
void output_bar(const struct output *o, struct buf *b, double percent, unsigned columns);
/* Appends a mark for a status, of one column, in its colour. */
void output_mark(const struct output *o, struct buf *b, const char *status);

#endif
