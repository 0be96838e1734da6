/* The end of a child that a test has forked: without what belongs to the parent, such as its
 * output, but with the counts of gcov. */
#ifndef JOBLIGHT_TESTS_CHILD_H
#define JOBLIGHT_TESTS_CHILD_H

#include <unistd.h>

#ifdef JOBLIGHT_COVERAGE
#include <sys/resource.h>

void __gcov_dump(void);
#endif

__attribute__((noreturn)) static inline void end_child(int status)
{
#ifdef JOBLIGHT_COVERAGE
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0) { /* a full disk was simulated */
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_FSIZE, &limit);
	}
	__gcov_dump();
#endif
	_exit(status);
}

#endif
