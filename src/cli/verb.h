/*
 * The verbs of the command line.  A verb is a row; the reading of its arguments, its help and its
 * completion come from it.
 */
#ifndef JOBLIGHT_CLI_VERB_H
#define JOBLIGHT_CLI_VERB_H

#include <stdbool.h>
#include <stddef.h>

enum exit_status {
#define EXIT_ROW(name, number, word, meaning) EXIT_##name = (number),
#include "exit_status.def"
#undef EXIT_ROW
};

struct flag {
	const char *name;     /* without the dashes */
	const char *argument; /* NULL: it takes none */
	const char *help;
	const char *words; /* the only values, separated by spaces; NULL: any */
};

struct arguments;

struct verb {
	const char *name;
	const char *operands;     /* as the help shows them; "" */
	const char *help;         /* one line */
	const struct flag *flags; /* ends with {0}; NULL: none */
	const char *timeout;      /* how long it tries to reach the server; NULL: it asks none */
	const char *example;      /* NULL for a verb with parts */
	unsigned min_operands, max_operands;
	bool runs_command; /* the operands are a command: flags end at the first of them */
	bool prints;       /* takes --json */
	int (*run)(const struct arguments *a);
	/* A verb that reads its own arguments, the settings of the server.  argv[0] is the verb. */
	int (*own)(int argc, char **argv);
	const struct verb *parts; /* "job create", "job list" …; ends with {0} */
};

#define NO_LIMIT 1000000u /* of operands */

/* Flags of every verb that asks a server, and of every one that prints something. */
extern const struct flag flags_of_remote[], flags_of_output[];

/* Calls `visit` with each flag of the verb. */
void verb_visit_flags(const struct verb *v, void (*visit)(void *context, const struct flag *f),
                      void *context);
/* The row of this name; NULL: there is none, and *nearest is the most similar one. */
const struct verb *verb_find(const struct verb *table, const char *name, const char **nearest);

#endif
