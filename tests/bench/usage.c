#include "usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

bool usage_add(pid_t pid, struct usage *usage)
{
	double cpu_s;
	uint64_t rss_kib;
	if (!read_cpu(pid, &cpu_s) || !read_rss(pid, &rss_kib))
		return false;
	usage->cpu_s += cpu_s;
	usage->rss_kib += rss_kib;
	return true;
}

/* Of the children that have ended and were waited for: cutime and cstime, the 16th and 17th field.
 */
static double read_waited(pid_t pid)
{
	char path[64], text[1024];
	unsigned long user = 0, system = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = 0;
	fclose(file);
	const char *rest = strrchr(text, ')');
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu",
	                    &user, &system) != 2)
		return 0;
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

bool usage_read_tree(pid_t pid, double *seconds)
{
	char path[64];
	int child;
	double one;
	if (!read_cpu(pid, seconds))
		return false;
	*seconds += read_waited(pid);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	FILE *file = fopen(path, "re");
	while (file && fscanf(file, "%d", &child) == 1)
		if (read_cpu(child, &one))
			*seconds += one;
	if (file)
		fclose(file);
	return true;
}

double usage_own_cpu(void)
{
	struct timespec used;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}
