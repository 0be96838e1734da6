#include "process_metrics.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/resource.h>

#include "joblight/base/clock.h"
#include "joblight/base/memory.h"
#include "joblight/core/metric.h"

#define COUNT_MS 5000

static atomic_bool asked;
static uint64_t counted_ms; /* of the main thread, and so is: */
static DIR *descriptors;    /* stays open; NULL: the system has no such folder */

static uint64_t microseconds(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

static void count_descriptors(void)
{
	uint64_t count = 0;

	if (!descriptors)
		return;
	rewinddir(descriptors);
	while (readdir(descriptors))
		count++;
	metric_set(METRIC_FDS, count - 2); /* without "." and ".." */
}

void process_metrics_start(void)
{
	metric_set(METRIC_START, (uint64_t)clock_wall_ms() * 1000);
	metric_set(METRIC_BUILD_INFO, 1);
	descriptors = opendir("/proc/self/fd");
	count_descriptors();
	metrics_add_source(process_measure, NULL);
}

void process_metrics_tick(uint64_t now_ms)
{
	if (!atomic_load(&asked) || now_ms - counted_ms < COUNT_MS)
		return;
	atomic_store(&asked, false);
	counted_ms = now_ms;
	count_descriptors();
}

void process_measure(void *unused, struct metric_values *v)
{
	struct rusage usage;
	struct rlimit files;

	(void)unused;
	atomic_store(&asked, true);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		v->cells[METRIC_CPU] += microseconds(&usage.ru_utime) +
		                        microseconds(&usage.ru_stime);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		v->cells[METRIC_MAX_FDS] += files.rlim_cur;
	v->cells[METRIC_RESIDENT] += memory_resident();
}
