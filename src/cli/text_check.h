/* Texts of the command line that become JSON strings. */
#ifndef JOBLIGHT_CLI_TEXT_CHECK_H
#define JOBLIGHT_CLI_TEXT_CHECK_H

#include "joblight/base/slice.h"

/* Returns EXIT_OK, or EXIT_USAGE after a message: it must be UTF-8 without NUL. */
int text_check(const char *what, struct slice text);

/* Whether all of it is visible ASCII. */
bool text_visible(const char *text);

#endif
