/*
 * Takes the control sequences of terminals (ECMA-48) out of output, one byte at a time, wherever it
 * is cut into pieces.  Start with {0}.
 */
#ifndef JOBLIGHT_CLI_ANSI_H
#define JOBLIGHT_CLI_ANSI_H

#define ANSI_NOTHING (-1)

enum ansi_state { ANSI_TEXT, ANSI_ESCAPE, ANSI_CSI, ANSI_STRING, ANSI_STRING_ESCAPE };

struct ansi {
	enum ansi_state state;
};

/*
 * Returns the byte; ANSI_NOTHING for a part of a sequence; '\r' for the end of a sequence that
 * moves the cursor or erases.
 */
int ansi_take(struct ansi *a, unsigned char byte);

#endif
