/* What a process has used: the figure the benchmark trusts is the server's CPU time. */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
	double cpu_s;     /* of all its threads, living and dead, user and system, to the
	                     nanosecond */
	uint64_t rss_kib; /* VmRSS */
};

/* False when the process is gone. */
bool usage_read(pid_t pid, struct usage *usage);

/* CPU seconds of the calling process. */
double usage_own_cpu(void);

#endif
