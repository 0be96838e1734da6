/* The arguments of a verb, as its row allows them.  They point into argv. */
#ifndef JOBLIGHT_CLI_ARGUMENTS_H
#define JOBLIGHT_CLI_ARGUMENTS_H

#include <stdint.h>

#include "verb.h"

#define FLAGS_MAX 24 /* of a verb */

struct arguments {
	const struct verb *table; /* of all verbs */
	const struct verb *verb;
	const char *name; /* "job create" */
	const struct flag *flags[FLAGS_MAX];
	const char *values[FLAGS_MAX]; /* NULL: not given; "" for a flag that takes none */
	size_t flag_count;
	char **operands; /* ends with NULL */
	size_t operand_count;
	bool help; /* --help was given, and nothing was checked */
};

/* argv[0] is the last word of the verb.  False after a message on stderr. */
bool arguments_read(struct arguments *a, const struct verb *v, const char *name, int argc,
                    char **argv);

/* NULL: it was not given, or the verb has no such flag. */
const char *arguments_value(const struct arguments *a, const char *flag);
bool arguments_has(const struct arguments *a, const char *flag);

/* Prints "joblight: --FLAG VALUE: MESSAGE", and returns EXIT_USAGE. */
int arguments_fault(const char *what, const char *value, const char *message);

/*
 * The whole number of a flag.  EXIT_OK: it is in range, or not given, and then *number is as it
 * was. Otherwise EXIT_USAGE after a message.
 */
int arguments_number(const struct arguments *a, const char *flag, unsigned min, unsigned max,
                     unsigned *number);

/* A time such as 500ms, 30s, 5min, 2h, 90d, or 0; at most ten years.  False: it is not that. */
bool arguments_time(const char *text, int64_t *ms);

#endif
