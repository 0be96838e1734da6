/* What a process has used: the figure the benchmark trusts is the server's CPU time. */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define USAGE_ENGINES_MAX 8

struct usage {
	double cpu_s;     /* of all its threads, living and dead, user and system, to the
	                     nanosecond */
	uint64_t rss_kib; /* VmRSS */
	double engine_cpu_s[USAGE_ENGINES_MAX]; /* of each engine and its children */
};

/* Adds to cpu_s and rss_kib. False when the process is gone. */
bool usage_add(pid_t pid, struct usage *usage);

/* CPU seconds of a process and its children, living and, to a hundredth of a second, those that it
 * has waited for. False when the process is gone. */
bool usage_read_tree(pid_t pid, double *seconds);

/* CPU seconds of the calling process. */
double usage_own_cpu(void);

#endif
