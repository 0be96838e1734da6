#include "running.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "joblight/store/backend.h"

#define UPGRADE_WAIT_MS 1000 /* while a server is upgraded nobody has its database for a moment */

static long wait_for_user(const char *db)
{
	const struct timespec moment = { .tv_nsec = 10000000 };
	long user = database_user(db);

	for (int i = 0; user <= 0 && i < UPGRADE_WAIT_MS / 10; i++) {
		nanosleep(&moment, NULL);
		user = database_user(db);
	}
	return user;
}

pid_t running_with(const char *db)
{
	bool has_file = strcmp(db, ":memory:") != 0 && !database_is_remote(db);
	long user = has_file ? wait_for_user(db) : 0;
	char shown[DATABASE_SHOWN_MAX];

	database_show(db, shown, sizeof(shown));
	if (user <= 0)
		fprintf(
		    stderr,
		    "joblight: no server on this machine uses %s; name its database with --db or "
		    "--config, or the server with --pid or --pid-file\n",
		    shown);
	return user > 0 ? (pid_t)user : 0;
}

/* False: there is no such process. */
static bool read_name(pid_t process, char *name, int size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)process);
	FILE *file = fopen(path, "re");
	bool ok = file && fgets(name, size, file);
	if (file)
		fclose(file);
	name[ok ? strcspn(name, "\n") : 0] = '\0';
	return ok;
}

static bool is_own(const char *name)
{
	return strncmp(name, "joblight", strlen("joblight")) == 0;
}

bool running_has_name(pid_t process)
{
	char name[32];

	return read_name(process, name, sizeof(name)) && is_own(name);
}

bool running_is_server(pid_t process)
{
	char name[32];

	if (!read_name(process, name, sizeof(name)))
		fprintf(stderr, "joblight: there is no process %ld\n", (long)process);
	else if (!is_own(name))
		fprintf(stderr, "joblight: process %ld is no joblight server, but %s\n",
		        (long)process, name);
	return is_own(name);
}
