/*
 * The audit log: who did what.  One line per event, in the format of log_line.h with msg=audit, on
 * stderr and, after audit_open(), in a file as well.  A line that cannot be written to the file is
 * lost there; nothing waits for it.  log_event() tells when that begins and when it ends.
 */
#ifndef JOBLIGHT_BASE_AUDIT_H
#define JOBLIGHT_BASE_AUDIT_H

#include <stdbool.h>

/*
 * Opens the file for appending, and creates it for its owner only.  Call it before other threads
 * are there.  `path` is borrowed for good.  False: errno says why; EINVAL: it is no regular file,
 * ELOOP: it is a symbolic link.
 */
bool audit_open(const char *path);
/* Opens the file of the same name, for programs that rotate logs.  Any thread. */
void audit_reopen(void);

/* Takes pairs as log_event() does, and a NULL after the last one.  Any thread. */
void audit_event(const char *key, ...) __attribute__((sentinel));

#endif
