/* The file of --pid-file: the process id of the server, and a newline, while it runs. */
#ifndef JOBLIGHT_SERVE_PID_FILE_H
#define JOBLIGHT_SERVE_PID_FILE_H

#include <stdbool.h>
#include <sys/types.h>

/* Writes the file; one that is there is replaced.  False: a message on stderr says why. */
bool pid_file_write(const char *path);
/* Removes the file if it still names this process. */
void pid_file_remove(const char *path);

/* The process id in the file.  0: there is none; a message on stderr says why. */
pid_t pid_file_read(const char *path);

#endif
