/*
 * The configuration file of `joblight serve`: lines of the form `name = value`, with the names of
 * the flags.  A list takes a line for each value.  The syntax is that of inih: lines that begin
 * with `;` or `#` are comments, and a line has at most 198 bytes.
 */
#ifndef JOBLIGHT_SERVE_CONFIG_FILE_H
#define JOBLIGHT_SERVE_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Takes a setting; false: a message says what is wrong.  The texts are valid during the call only.
 */
typedef bool config_file_take(void *context, int line, const char *name, const char *value);

/* Calls `take` for each setting, up to the first that is refused.  False: a message on `errors`
 * says which line is wrong, or that the file cannot be read. */
bool config_file_read(const char *path, config_file_take *take, void *context, FILE *errors);

#endif
