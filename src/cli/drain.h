/*
 * What a command writes into is held open by a process of its own, the drain.  It does nothing as
 * long as its maker lives.  When the maker dies, even by SIGKILL, it carries the output on to where
 * the maker would have written it, so the command is not ended by SIGPIPE and does not wait on a
 * full pipe.  When that cannot be written either, the output is discarded.
 */
#ifndef JOBLIGHT_CLI_DRAIN_H
#define JOBLIGHT_CLI_DRAIN_H

#include <sys/types.h>

/* An output of the command on its way: from where it is read to where it is written. */
struct course {
	int from; /* -1: closed */
	int to;
};

#define COURSES_MAX 2

struct drain {
	pid_t pid;
	int control; /* the drain takes over when this is closed */
};

/* Forks it.  Call it while the process has one thread.  -1: errno says why. */
int drain_start(struct drain *d, const struct course courses[COURSES_MAX]);
/* The drain closes this course, too, so that the command learns that nobody reads it. */
void drain_close(struct drain *d, int course);
/* The drain is not needed: ends it. */
void drain_end(struct drain *d);

#endif
