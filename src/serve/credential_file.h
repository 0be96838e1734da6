/*
 * Files with secrets that systemd passes to a service: LoadCredential= and LoadCredentialEncrypted=
 * of systemd.exec(5).  A setting names one as credential:NAME, which is the file NAME in
 * $CREDENTIALS_DIRECTORY.
 */
#ifndef JOBLIGHT_SERVE_CREDENTIAL_FILE_H
#define JOBLIGHT_SERVE_CREDENTIAL_FILE_H

#include "joblight/base/buf.h"
#include "joblight/base/slice.h"

bool credential_file_is_named(struct slice value); /* credential:ANYTHING */
bool credential_file_valid(struct slice value);    /* if it is named so, NAME is one of a file */

/* Appends the path of the credential that `value` names.  False: it names none, or the process was
 * given no credentials. */
bool credential_file_path(struct slice value, struct buf *path);

/* Logs a warning when every user of the machine may read or write the file. */
void credential_file_warn(const char *flag, const char *path);

#endif
