/*
 * Reading the settings and the files that they name again, while the server runs.  It is one step:
 * what has a mistake changes nothing, and no connection is touched.  Main thread.
 */
#ifndef JOBLIGHT_SERVE_RELOAD_H
#define JOBLIGHT_SERVE_RELOAD_H

#include "joblight/base/buf.h"
#include "server_state.h"

/*
 * Reads everything, and appends lines for people to `answer`: what has changed, what needs a
 * restart, or why nothing was changed.  Logs the same.  False: nothing was changed.
 */
bool reload_all(struct server *s, struct buf *answer);

/* Reads the files of keys and certificates that have changed since they were read last. */
void reload_changed_files(struct server *s);

#endif
