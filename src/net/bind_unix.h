/* Listening on a Unix socket: unix(7). */
#ifndef JOBLIGHT_NET_BIND_UNIX_H
#define JOBLIGHT_NET_BIND_UNIX_H

#include "bind.h"

/*
 * Returns a listening descriptor.  A file that an earlier server has left is replaced if nobody
 * listens on it.  -1: `error` says why.
 */
int bind_unix(struct bound *b, char *error, size_t error_len);
/* Takes the socket that the process has inherited for this path. */
int bind_unix_inherited(struct bound *b);
void bind_unix_remove(const struct bound *b); /* the file, if it is still this one */

/* See listen_check(). */
bool bind_unix_check(const struct listen *l, char *error, size_t error_len);

#endif
