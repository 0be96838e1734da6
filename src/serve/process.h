/* What the process must do before anything else.  Main thread only. */
#ifndef JOBLIGHT_SERVE_PROCESS_H
#define JOBLIGHT_SERVE_PROCESS_H

#include <stdbool.h>

/*
 * Opens /dev/null as descriptors 0, 1 and 2 where they are closed.  Otherwise the next file opened
 * would get one of these numbers: the database would be standard error, and the log would be
 * written into its first page.  False: /dev/null cannot be opened, and nothing else may be.
 */
bool process_open_standard_descriptors(void);

/* Ignores the signals that would end the process unintentionally: all but SIGTERM and SIGINT.
 * server_run() gives SIGHUP and SIGUSR2 their meanings. */
void process_ignore_signals(void);
/* Whether SIGHUP was ignored when the process was started, as nohup(1) does. */
bool process_is_without_hangup(void);

#endif
