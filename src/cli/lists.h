/* Lists of the command line, separated by commas. */
#ifndef JOBLIGHT_CLI_LISTS_H
#define JOBLIGHT_CLI_LISTS_H

#include "joblight/base/buf.h"

/* The next part of the list; moves *at. */
bool list_next(const char **at, struct slice *part);
/* Appends the list as a JSON array of strings. */
void list_encode(struct buf *json, const char *list);

#endif
