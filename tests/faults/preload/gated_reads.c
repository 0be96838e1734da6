/*
 * Reader threads write the beginning of each read into the file JOBLIGHT_TEST_READS, a byte for
 * one, and wait there while the file JOBLIGHT_TEST_GATE exists.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_AGAIN_US 1000

static int counter = -1;
static const char *gate;
static int (*step)(sqlite3_stmt *);

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("JOBLIGHT_TEST_READS");

	*(void **)&step = dlsym(RTLD_NEXT, "sqlite3_step");
	gate = getenv("JOBLIGHT_TEST_GATE");
	if (path)
		counter = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int begins_read(sqlite3_stmt *statement)
{
	char thread[16] = "";
	const char *sql = sqlite3_sql(statement);

	pthread_getname_np(pthread_self(), thread, sizeof(thread));
	return strcmp(thread, "reader") == 0 && sql && strncmp(sql, "BEGIN", 5) == 0;
}

int sqlite3_step(sqlite3_stmt *statement)
{
	if (begins_read(statement) && write(counter, "r", 1) == 1)
		while (access(gate, F_OK) == 0)
			usleep(LOOK_AGAIN_US);
	return step(statement);
}
