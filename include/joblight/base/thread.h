/*
 * Threads that a process cannot go on without.
 */
#ifndef JOBLIGHT_BASE_THREAD_H
#define JOBLIGHT_BASE_THREAD_H

#include <pthread.h>

/*
 * Starts run(context) in a new thread.  `name`, of at most 15 bytes, is what ps and gdb show.  If
 * there is none, as the limits of processes and of memory forbid it, the process ends, after a line
 * in the log and what else waits to be written there.
 */
void thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *context);

#endif
