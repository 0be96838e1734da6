/*
 * The configuration of `joblight serve`: flags override the environment, which overrides the file
 * of --config, which overrides the defaults.  Its texts are borrowed from argv and the environment,
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

/* The number of settings. */
enum {
#define COUNTED(...) +1
#define TEXT COUNTED
#define NUMBER COUNTED
#define SWITCH COUNTED
#define LIST COUNTED
#define LIMIT COUNTED
	SETTING_COUNT = 0
#include "config.def"
#include "joblight/core/limits.def"
#undef TEXT
#undef NUMBER
#undef SWITCH
#undef LIST
#undef LIMIT
#undef COUNTED
};

enum config_from { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct config {
#define TEXT(field, ...) const char *field;
#define NUMBER(field, ...) unsigned field;
#define SWITCH(field, ...) bool field;
#define LIST(field, ...) struct slices field;
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
	struct config_text *texts; /* that it owns: those of the file, paths of credentials */
	unsigned char from[SETTING_COUNT]; /* enum config_from: where each value comes from */
	int lines[SETTING_COUNT];          /* FROM_FILE: its line; of a list, the last one */
	int argc;
	char **argv; /* what it was made from */
};

/* argv[0] is the verb.  False: a message on `errors` says what is wrong and what to change.
 * config_finish() is needed in both cases. */
bool config_parse(struct config *c, int argc, char **argv, FILE *errors);
/* Copies the texts, which `c` shares with another configuration; config_finish() is needed then. */
void config_own_texts(struct config *c);
bool config_gives_db(const struct config *c); /* false: the default */
void config_finish(struct config *c);

/* Reads everything again into `next`, as config_parse() does. */
bool config_read_again(struct config *next, const struct config *running, FILE *errors);

/* Appends the flags, separated by commas, of the settings that differ: those that can be changed
 * while the server runs, or those that need a restart. */
void config_list_changes(const struct config *running, const struct config *next, bool live,
                         struct buf *list);

/* Takes over the settings that can be changed while the server runs.  Their texts stay those of
 * `next`. */
void config_take_live(struct config *own, const struct config *next);

void config_help(FILE *out);     /* the common settings; they fit a screen */
void config_help_all(FILE *out); /* all settings */

#endif
