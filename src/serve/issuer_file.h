/* The file of --jwt-keys: the keys of another issuer of tokens. */
#ifndef JOBLIGHT_SERVE_ISSUER_FILE_H
#define JOBLIGHT_SERVE_ISSUER_FILE_H

#include "config.h"
#include "joblight/core/issuer.h"

/*
 * Reads the file.  False: `error` says what to change.  *issuer is NULL when none is configured;
 * the caller owns the reference.  The texts of the configuration are borrowed.
 */
bool issuer_file_read(const struct config *c, struct issuer **issuer, char *error,
                      size_t error_len);

#endif
