/* The help of the command line, from the rows of the verbs. */
#ifndef JOBLIGHT_CLI_HELP_H
#define JOBLIGHT_CLI_HELP_H

#include <stdio.h>

#include "verb.h"

void help_all(FILE *out, const struct verb *table);
/* `name`: its words, such as "job create". */
void help_verb(FILE *out, const struct verb *v, const char *name);

#endif
