#include "joblight/base/thread.h"

#include <stdlib.h>
#include <string.h>

#include "joblight/base/log.h"

void thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *context)
{
	int error = pthread_create(thread, NULL, run, context);

	if (error) {
		log_error("a thread cannot be started, and the server ends", "thread", name,
		          "error", strerror(error), "change",
		          "the limit of processes, or of memory");
		log_stop(LOG_STOP_MS);
		abort();
	}
	pthread_setname_np(*thread, name);
}
