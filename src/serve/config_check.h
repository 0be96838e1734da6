/* What can be checked of a configuration without starting a server: for `joblight config check`. */
#ifndef JOBLIGHT_SERVE_CONFIG_CHECK_H
#define JOBLIGHT_SERVE_CONFIG_CHECK_H

#include <stdbool.h>

#include "config.h"

/*
 * Reads the files that it names (keys, certificates, pages), and looks whether the addresses exist
 * and the database and the logs can be written.  Writes nothing.  False: each fault is told on
 * stderr.
 */
bool config_check(const struct config *c);

/* False: a credential of systemd is named, and the process was given none; told on stderr. */
bool config_check_credentials(const struct config *c);

/* False: the address of the database is on the command line and has a password; told on stderr. */
bool config_check_password(const struct config *c);

#endif
