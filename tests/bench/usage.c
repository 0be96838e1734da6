#include "usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool read_cpu(pid_t pid, double *seconds)
{
	clockid_t clock;
	struct timespec used;
	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return false;
	*seconds = (double)used.tv_sec + (double)used.tv_nsec / 1e9;
	return true;
}

static bool read_rss(pid_t pid, uint64_t *kib)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = 0;
	fclose(file);
	const char *line = strstr(text, "VmRSS:");
	if (!line)
		return false;
	*kib = strtoull(line + 6, NULL, 10);
	return true;
}

bool usage_read(pid_t pid, struct usage *usage)
{
	return read_cpu(pid, &usage->cpu_s) && read_rss(pid, &usage->rss_kib);
}

double usage_own_cpu(void)
{
	struct timespec used;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}
