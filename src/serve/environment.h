/*
 * The names JOBLIGHT_… in the environment: a setting, a variable of our own tools, one that a
 * container platform sets for a service of this name, or a typing error.
 */
#ifndef JOBLIGHT_SERVE_ENVIRONMENT_H
#define JOBLIGHT_SERVE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#define ENVIRONMENT_PREFIX "JOBLIGHT_"

/* The variable of a flag: JOBLIGHT_MAX_BODY for "max-body".  `name` holds `size` bytes. */
void environment_name(const char *flag, char *name, size_t size);

/* False, after printing the most similar name, when a variable is unknown. */
bool environment_check(const char *const *flags, size_t count);

#endif
