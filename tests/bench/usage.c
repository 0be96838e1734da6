#include "usage.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t n = fread(text, 1, size - 1, file);
	text[n] = 0;
	fclose(file);
	return n > 0;
}

/* The second field is the program's name in brackets and may hold blanks: count from the last
 * bracket. */
static bool read_ticks(pid_t pid, double *seconds)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	const char *rest = strrchr(text, ')');
	unsigned long user, system;
	if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		return false;
	*seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	return true;
}

static bool read_rss(pid_t pid, uint64_t *kib)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	const char *line = strstr(text, "VmRSS:");
	if (!line)
		return false;
	*kib = strtoull(line + 6, NULL, 10);
	return true;
}

static double read_run_time(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return 0;
	double total = 0;
	for (struct dirent *task; (task = readdir(tasks));) {
		char file[400], text[128];
		snprintf(file, sizeof(file), "%s/%s/schedstat", path, task->d_name);
		if (task->d_name[0] != '.' && read_text(file, text, sizeof(text)))
			total += (double)strtoull(text, NULL, 10) / 1e9;
	}
	closedir(tasks);
	return total;
}

bool usage_read(pid_t pid, struct usage *usage)
{
	usage->run_s = read_run_time(pid);
	return read_ticks(pid, &usage->cpu_s) && read_rss(pid, &usage->rss_kib);
}

double usage_own_cpu(void)
{
	struct rusage own;
	getrusage(RUSAGE_SELF, &own);
	return (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
	       (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
}
