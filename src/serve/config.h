/*
 * The configuration of `joblight serve`: flags override the environment, which overrides the file
 * of
 * --config, which overrides the defaults.  Its texts are borrowed from argv and the environment,
 * which live as long as the process, or belong to the configuration.
 */
#ifndef JOBLIGHT_SERVE_CONFIG_H
#define JOBLIGHT_SERVE_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "joblight/base/buf.h"
#include "joblight/base/slice.h"
#include "joblight/core/limits.h"

struct config_text;

struct config {
#define TEXT(field, flag, default_value, argument, help) const char *field;
#define NUMBER(field, flag, default_value, min, max, help) unsigned field;
#define SWITCH(field, flag, help) bool field;
#define LIST(field, flag, argument, separators, check, help) struct slices field;
#define EXPLAINED_LIST(field, flag, argument, separators, check, explain, help) struct slices field;
#include "config.def"
#undef EXPLAINED_LIST
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
	struct config_text *texts; /* of the file */
	int argc;
	char **argv; /* what it was made from */
};

/* argv[0] is the verb.  False: a message on `errors` says what is wrong and what to change.
 * config_finish() is needed in both cases. */
bool config_parse(struct config *c, int argc, char **argv, FILE *errors);
bool config_gives_db(const struct config *c); /* false: the default */
void config_finish(struct config *c);

/* Reads everything again into `next`, as config_parse() does. */
bool config_read_again(struct config *next, const struct config *running, FILE *errors);

/* Appends the flags, separated by commas, of the settings that differ: the LIVE ones, or those that
 * are read at the start only. */
void config_list_changes(const struct config *running, const struct config *next, bool live,
                         struct buf *list);
void config_help(FILE *out);

#endif
