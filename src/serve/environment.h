/*
 * The names JOBLIGHT_… in the environment: a setting's, one of our own tools', one that a container
 * platform sets for a service of this name, or a typing error.
 */
#ifndef JOBLIGHT_SERVE_ENVIRONMENT_H
#define JOBLIGHT_SERVE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#define ENVIRONMENT_PREFIX "JOBLIGHT_"

/* The variable of a flag: "max-body" is JOBLIGHT_MAX_BODY.  `name` holds `size` bytes. */
void environment_name(const char *flag, char *name, size_t size);

/* False when a variable is none that is known, and a line says which one could be meant. */
bool environment_check(const char *const *flags, size_t count);

#endif
