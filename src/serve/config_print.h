/* What a configuration is: for `joblight config print`. */
#ifndef JOBLIGHT_SERVE_CONFIG_PRINT_H
#define JOBLIGHT_SERVE_CONFIG_PRINT_H

#include <stdio.h>

#include "config.h"

/*
 * Writes each value as a line of a configuration file, with where it came from in a comment: the
 * default, FILE:LINE, the variable, the flag.  What has no value is a comment.  Nothing secret is
 * written.
 */
void config_print(const struct config *c, FILE *out);

#endif
