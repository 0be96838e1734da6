/*
 * The configuration of `joblight serve`: flags override the environment, which overrides the
 * defaults.  Its texts are borrowed from argv and the environment, so they live as long as the
 * process.
 */
#ifndef JOBLIGHT_SERVE_CONFIG_H
#define JOBLIGHT_SERVE_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "joblight/base/slice.h"
#include "joblight/core/limits.h"

struct config {
#define TEXT(field, flag, default_value, argument, help) const char *field;
#define NUMBER(field, flag, default_value, min, max, help) unsigned field;
#define SWITCH(field, flag, help) bool field;
#define LIST(field, flag, argument, check, help) struct slices field;
#include "config.def"
#undef TEXT
#undef NUMBER
#undef SWITCH
#undef LIST
	struct limits limits;
	/*
	 * Set by `joblight demo` after parsing: the number of the job that its worker is doing, 0
	 * before the first.  NULL: this server is not a demonstration.
	 */
	const atomic_uint *demo_run;
};

/* argv[0] is the verb.  False: a message on stderr says what is wrong and what to change. */
bool config_parse(struct config *c, int argc, char **argv);
void config_help(FILE *out);

#endif
