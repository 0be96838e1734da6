/* `joblight reload`: makes the running server read its settings again, and waits for its answer. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "joblight/base/slice.h"
#include "serve/config.h"
#include "serve/pid_file.h"
#include "serve/reload_answer.h"
#include "serve/running.h"
#include "verbs.h"

#define WAIT_MS 10000

static int usage(FILE *out, int status)
{
	fputs("usage: joblight reload [flags of joblight serve]\n"
	      "       joblight reload --pid PID\n\n"
	      "Makes the running server read its settings again, without touching a connection,\n"
	      "and says what has changed, what needs a restart, or why nothing was changed.  The\n"
	      "server is that of --pid-file, or the one that uses the database (--db).  A\n"
	      "configuration file with a mistake is not sent.\n\n"
	      "The status is 0 if the settings were taken, 1 if they were refused or no server\n"
	      "answers, 2 if the flags or the file have a mistake.\n",
	      out);
	return status;
}

static void print_lines(FILE *out, const char *prefix, struct buf *lines)
{
	const char *line = buf_string(lines);

	for (size_t len; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		fprintf(out, "%s%.*s\n", prefix, (int)len, line);
	}
}

static int print_result(enum reload_result result, pid_t server, struct buf *lines)
{
	switch (result) {
	case RELOAD_DONE:
		print_lines(stdout, "", lines);
		return fflush(stdout) == 0 ? 0 : 1;
	case RELOAD_NOT_DONE:
		fprintf(stderr, "joblight: the server (pid %ld) has changed nothing:\n",
		        (long)server);
		print_lines(stderr, "joblight: ", lines);
		return 1;
	case RELOAD_SILENT:
		fprintf(
		    stderr,
		    "joblight: the server (pid %ld) was told, but does not answer; see its log\n",
		    (long)server);
		return 1;
	case RELOAD_GONE:
		fprintf(stderr, "joblight: the server (pid %ld) has ended\n", (long)server);
		return 1;
	default:
		fprintf(stderr, "joblight: the server (pid %ld) cannot be told: %s\n", (long)server,
		        strerror(errno));
		return 1;
	}
}

static int reload(pid_t server)
{
	struct buf lines = { 0 };
	int status = print_result(reload_ask(server, WAIT_MS, &lines), server, &lines);

	buf_finish(&lines);
	return status;
}

/* After an upgrade another process is found. */
static int reload_found(pid_t (*find)(const char *where), const char *where)
{
	struct buf lines = { 0 };
	enum reload_result result = RELOAD_GONE;
	pid_t asked = 0, server = find(where);
	int status = 1;

	while (server && server != asked && result == RELOAD_GONE) {
		result = reload_ask(server, WAIT_MS, &lines);
		asked = server;
		if (result == RELOAD_GONE)
			server = find(where);
	}
	if (server)
		status = print_result(result, asked, &lines);
	buf_finish(&lines);
	return status;
}

static pid_t server_of_pid_file(const char *path)
{
	pid_t process = pid_file_read(path);

	return process && running_is_server(process) ? process : 0;
}

static int reload_pid(const char *text)
{
	uint64_t number = 0;

	if (slice_number(slice_of(text), 10, &number) && number && number <= INT_MAX)
		return running_is_server((pid_t)number) ? reload((pid_t)number) : 1;
	fprintf(stderr, "joblight: --pid takes the id of a process, not \"%s\"\n", text);
	return 2;
}

static int reload_by_config(int argc, char **argv)
{
	struct config c;
	int status = 2;

	if (!config_parse(&c, argc, argv, stderr))
		fputs("joblight: the server was not told; its settings stay in force\n", stderr);
	else if (c.pid_file)
		status = reload_found(server_of_pid_file, c.pid_file);
	else
		status = reload_found(running_with, c.db);
	config_finish(&c);
	return status;
}

int verb_reload(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return usage(stdout, 0);
	if (argc == 3 && strcmp(argv[1], "--pid") == 0)
		return reload_pid(argv[2]);
	return reload_by_config(argc, argv);
}
