/*
 * Setting the values of a configuration from its sources, one after the other: the file, the
 * environment, the flags.
 */
#ifndef JOBLIGHT_SERVE_CONFIG_SET_H
#define JOBLIGHT_SERVE_CONFIG_SET_H

#include <stdio.h>

#include "config.h"
#include "setting.h"

struct config_source {
	struct config *config;
	FILE *errors;
	enum config_from from;
	const char *file; /* FROM_FILE: its path, and the line that is being read */
	int line;
	bool seen[SETTING_COUNT];
};

/*
 * Sets a value; `value` is borrowed as long as the configuration lives, except FROM_FILE, and NULL
 * for a switch that is on.  The values of a list replace those of the source before.  False: a
 * message says what is wrong.
 */
bool config_set(struct config_source *source, const struct setting *s, const char *value);

void config_set_defaults(struct config *c);

/* The line of the file from which a text of the configuration comes; 0: none. */
int config_line_of(const struct config *c, const char *text);

#endif
