/*
 * The names JOBLIGHT_… in the environment: a setting, a variable of our own tools, one that a
 * container platform sets for a service of this name, or a typing error.
 */
#ifndef JOBLIGHT_SERVE_ENVIRONMENT_H
#define JOBLIGHT_SERVE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "joblight/base/buf.h"

#define ENVIRONMENT_PREFIX "JOBLIGHT_"
#define ENVIRONMENT_NAME_MAX 80 /* bytes of the name of a setting's variable, with the NUL */

/* The variable of a flag: JOBLIGHT_MAX_BODY for "max-body".  `name` holds `size` bytes. */
void environment_name(const char *flag, char *name, size_t size);

/* Takes a variable that is a whole number; 0 if it is not set.  False, after a message: it is none.
 */
bool environment_number(const char *variable, uint64_t *value);

/*
 * False, after printing the most similar name on `errors`, when a variable is unknown.  With
 * `ignored`, the names that container platforms set are appended to it.
 */
bool environment_check(const char *const *flags, size_t count, struct buf *ignored, FILE *errors);

#endif
