/* The access keys of a running server, over HTTP.  The functions return an exit status. */
#ifndef JOBLIGHT_CLI_KEY_REMOTE_H
#define JOBLIGHT_CLI_KEY_REMOTE_H

#include "joblight/core/access_key.h"
#include "remote.h"

/* `row->expires` is a duration in milliseconds; 0: forever.  Prints the key. */
int key_remote_create(struct remote *r, const struct access_key_row *row);
int key_remote_list(struct remote *r); /* one line of JSON for each key */
int key_remote_revoke(struct remote *r, const char *id);

#endif
