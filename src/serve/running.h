/* Servers that run on this machine, for the verbs that tell one something. */
#ifndef JOBLIGHT_SERVE_RUNNING_H
#define JOBLIGHT_SERVE_RUNNING_H

#include <stdbool.h>
#include <sys/types.h>

/* The server that uses this database.  0: none does; a message on stderr says so. */
pid_t running_with(const char *db);

/*
 * Whether this process is a joblight server, because a signal would end another program.  False: a
 * message on stderr says what it is.
 */
bool running_is_server(pid_t process);
/* The same without a message. */
bool running_has_name(pid_t process);

#endif
