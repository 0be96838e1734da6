/*
 * Stands before libfaketime, which turns the deadlines of pthread_cond_timedwait() by the jump of
 * the wall clock even when the condition variable has the monotonic clock, so that a thread never
 * waits again.  This one is the function of the C library.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

typedef int wait_function(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static wait_function *wait_until;

__attribute__((constructor)) static void start(void)
{
	void *library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	*(void **)&wait_until = dlvsym(library, "pthread_cond_timedwait", "GLIBC_2.3.2");
	if (!wait_until) /* other machines than those with the oldest symbols */
		*(void **)&wait_until = dlsym(library, "pthread_cond_timedwait");
	if (!wait_until)
		abort();
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                           const struct timespec *deadline)
{
	return wait_until(condition, mutex, deadline);
}
