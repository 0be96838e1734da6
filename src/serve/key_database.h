/*
 * The access keys of a database that no server uses at the moment.  Each function opens the
 * database, and closes it; put() creates it if it does not exist.  False: a message on stderr says
 * what is wrong.
 */
#ifndef JOBLIGHT_SERVE_KEY_DATABASE_H
#define JOBLIGHT_SERVE_KEY_DATABASE_H

#include "joblight/core/store.h"

bool key_database_put(const char *db, const struct access_key_row *row);
bool key_database_list(const char *db, access_key_visit *visit, void *context);
bool key_database_revoke(const char *db, const char *id);

#endif
