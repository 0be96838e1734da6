/* The key of --key-file. */
#ifndef JOBLIGHT_SERVE_FIRST_KEY_H
#define JOBLIGHT_SERVE_FIRST_KEY_H

#include "joblight/core/credential.h"

/*
 * Reads the file, which has the key alone.  The key has all rights over all jobs.  NULL: a message
 * on stderr says what is wrong.  The caller owns the reference.
 */
struct credential *first_key_read(const char *path);

#endif
