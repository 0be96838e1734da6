/* How similar two names of settings are, to name the one that was meant. */
#ifndef JOBLIGHT_SERVE_NAME_DISTANCE_H
#define JOBLIGHT_SERVE_NAME_DISTANCE_H

#include <stddef.h>

#define NAME_MAX_LEN 64 /* of the first name; a longer second one resembles none of ours */

/* The number of characters to add, remove or change (Levenshtein distance). */
size_t name_distance(const char *a, const char *b);

#endif
