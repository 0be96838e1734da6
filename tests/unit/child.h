/* Children that a test has forked.  Their end is without what
 * belongs to the parent, such as its output, but with the counts of gcov. */
#ifndef JOBLIGHT_TESTS_CHILD_H
#define JOBLIGHT_TESTS_CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>
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

/* Runs it in a child that is expected to end in it, and has what it writes on standard error.
 * Returns the status of waitpid(). */
static inline int run_to_its_end(void (*run)(void), char *said, size_t size)
{
	int status = -1, ends[2];
	size_t len = 0;
	ssize_t more;

	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		dup2(ends[1], STDERR_FILENO);
		run();
		end_child(0);
	}
	close(ends[1]);
	while ((more = read(ends[0], said + len, size - 1 - len)) > 0)
		len += (size_t)more;
	said[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

#endif
