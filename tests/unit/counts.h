/*
 * Waiting until another thread has counted something.
 */
#ifndef JOBLIGHT_TESTS_COUNTS_H
#define JOBLIGHT_TESTS_COUNTS_H

#include <limits.h>
#include <pthread.h>
#include <time.h>

#define PATIENCE_S 120 /* for machines that are busy */

/* `changed` is signalled after each change of the count, which `lock` protects. */
static inline void wait_for_count(pthread_mutex_t *lock, pthread_cond_t *changed,
                                  const unsigned *count, unsigned least)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(lock);
	while (*count < least && pthread_cond_timedwait(changed, lock, &until) == 0)
		;
	unsigned reached = *count;
	pthread_mutex_unlock(lock);
	assert_in_range(reached, least, UINT_MAX);
}

#endif
