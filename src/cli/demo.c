/*
 * `joblight demo`: a server with a database of its own, and a worker that does one job after
 * another over HTTP, as any worker would.  It takes the settings of `joblight serve`.
 *
 * The pages of the server say that it is a demonstration (see pages.h), and its /demo redirects to
 * the job that the worker is doing: its number is in memory that both processes share.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "serve/config.h"
#include "serve/process.h"
#include "serve/server.h"
#include "client.h"
#include "curl_library.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/cursor.h"
#include "joblight/core/json.h"
#include "verbs.h"

#define STEP_MS 400
#define STEPS_PER_HEARTBEAT                                                                        \
	8 /* these take about 3 s, and the server believes a presence for 10 s */
#define JOB_ID_LEN 32

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static const struct demo_task {
	const char *id, *title, *unit;
	int steps;
} demo_tasks[] = {
	{ "collect", "Collect the sources", "folder", 8 },
	{ "outline", "Write the outline", "chapter", 6 },
	{ "figures", "Draw the figures", "figure", 10 },
	{ "render", "Render the pages", "page", 24 },
	{ "proof", "Proof-read", "paragraph", 12 },
	{ "publish", "Publish", "upload", 5 },
};

#define TASK_COUNT (sizeof(demo_tasks) / sizeof(demo_tasks[0]))

/* False when it is time to stop. */
static bool pause_step(void)
{
	struct timespec step = { 0, (STEP_MS / 2 + (long)(random_u64() % STEP_MS)) * 1000000 };

	nanosleep(&step, NULL);
	return !stopping;
}

/*
 * The pages look for this before they offer a worker of their own.  An empty state ends the
 * presence.
 */
static void send_presence(struct client *c, const char *job, const char *state)
{
	struct buf path = { 0 }, json = { 0 }, answer = { 0 };

	buf_format(&path, "/api/jobs/%s/presence", job);
	buf_format(&json, "{\"agent\":\"demo-worker\",\"state\":\"%s\"}", state);
	client_send(c, "POST", buf_string(&path), buf_string(&json), &answer);
	buf_finish(&path);
	buf_finish(&json);
	buf_finish(&answer);
}

static bool report(struct client *c, const char *job, const struct demo_task *t, const char *status,
                   int step)
{
	struct buf path = { 0 }, json = { 0 }, answer = { 0 };

	buf_format(&path, "/api/agent-hooks/task-update/%s", job);
	buf_format(&json,
	           "{\"taskId\":\"%s\",\"status\":\"%s\",\"progress\":%d,\"note\":\"%s %d of %d\"}",
	           t->id, status, step * 100 / t->steps, t->unit, step, t->steps);
	int code = client_send(c, "POST", buf_string(&path), buf_string(&json), &answer);
	buf_finish(&path);
	buf_finish(&json);
	buf_finish(&answer);
	return code == 200;
}

/* The job that the worker is doing. */
struct current_job {
	struct client *client;
	char job[JOB_ID_LEN];
	char cursor[CURSOR_MAX +
	            1]; /* position after the last command that was read; "": none yet */
	bool cancelled; /* the whole job */
	bool cancelled_task[TASK_COUNT];
};

static bool has_text(struct slice object, const char *name, const char *wanted)
{
	struct slice text;

	return json_member(object, name, &text) && text.len == strlen(wanted) + 2 &&
	       memcmp(text.ptr + 1, wanted, text.len - 2) == 0;
}

static void apply_command(struct current_job *s, struct slice event)
{
	struct slice task;

	if (!has_text(event, "command", "cancel"))
		return;
	if (!json_member(event, "taskId", &task))
		s->cancelled = true;
	for (size_t i = 0; i < TASK_COUNT; i++)
		if (has_text(event, "taskId", demo_tasks[i].id))
			s->cancelled_task[i] = true;
}

/* Reads the next command and applies it; false: there is none. */
static bool poll_command(struct current_job *s)
{
	struct buf path = { 0 }, answer = { 0 };
	struct slice cursor, events;

	buf_format(&path, "/api/jobs/%s/updates?types=command&limit=1&since=%s", s->job, s->cursor);
	bool ok = client_send(s->client, "GET", buf_string(&path), NULL, &answer) == 200 &&
	          json_member(buf_as_slice(&answer), "cursor", &cursor) && cursor.len > 2 &&
	          cursor.len - 2 < sizeof(s->cursor) &&
	          json_member(buf_as_slice(&answer), "events", &events);
	if (ok) {
		memcpy(s->cursor, cursor.ptr + 1, cursor.len - 2);
		s->cursor[cursor.len - 2] = '\0';
		ok = events.len > 2; /* more than the brackets */
		if (ok)
			apply_command(s, (struct slice){ events.ptr + 1, events.len - 2 });
	}
	buf_finish(&path);
	buf_finish(&answer);
	return ok;
}

/* False: the worker has to stop, or the job has ended. */
static bool do_task(struct current_job *s, size_t which)
{
	const struct demo_task *t = &demo_tasks[which];

	for (int step = 0; step < t->steps; step++) {
		while (poll_command(s))
			;
		if (s->cancelled || s->cancelled_task[which])
			return report(s->client, s->job, t, "cancelled", step);
		if (step % STEPS_PER_HEARTBEAT == 0)
			send_presence(s->client, s->job, "working");
		if (!report(s->client, s->job, t, "in_progress", step) || !pause_step())
			return false;
	}
	return report(s->client, s->job, t, "completed", t->steps);
}

static void job_id(char id[JOB_ID_LEN], unsigned number)
{
	snprintf(id, JOB_ID_LEN, "demo-%u", number);
}

/* Returns the HTTP status; 0: the server does not answer. */
static int create_job(struct client *c, unsigned number)
{
	struct buf json = { 0 }, answer = { 0 };
	char id[JOB_ID_LEN];

	job_id(id, number);
	buf_format(&json,
	           "{\"id\":\"%s\",\"title\":\"Annual report, edition "
	           "%u\",\"status\":\"in_progress\",\"tasks\":[",
	           id, number);
	for (size_t i = 0; i < TASK_COUNT; i++)
		buf_format(&json, "%s{\"id\":\"%s\",\"title\":\"%s\"}", i ? "," : "",
		           demo_tasks[i].id, demo_tasks[i].title);
	buf_text(&json, "]}");
	int status = client_send(c, "POST", "/api/jobs", buf_string(&json), &answer);
	buf_finish(&json);
	buf_finish(&answer);
	return status;
}

/* Creates the next job whose id is free.  Returns its number, or 0 when it is time to stop. */
static unsigned begin_job(struct client *c, unsigned number)
{
	while (!stopping) {
		int status = create_job(c, number);
		if (status == 201)
			return number;
		if (status == 0)
			return 0;
		if (status == 409)
			number++; /* it is from an earlier demo with the same database */
		else
			pause_step();
	}
	return 0;
}

/* After the job was cancelled, its remaining tasks are cancelled before their first step. */
static bool do_job(struct current_job *s)
{
	while (poll_command(s)) /* from the beginning of the job */
		;
	for (size_t i = 0; i < TASK_COUNT; i++)
		if (!do_task(s, i))
			return false;
	return true;
}

static void finish_job(struct current_job *s)
{
	struct buf path = { 0 }, json = { 0 }, answer = { 0 };

	buf_format(&path, "/api/jobs/%s", s->job);
	buf_format(&json, "{\"status\":\"%s\"}", s->cancelled ? "cancelled" : "completed");
	client_send(s->client, "PATCH", buf_string(&path), buf_string(&json), &answer);
	buf_finish(&path);
	buf_finish(&json);
	buf_finish(&answer);
}

/*
 * Does one job after another until it has to stop.  The next one is created before one ends, so
 * that /demo always leads to an open job.  Others may end or cancel the current job; the worker
 * then continues with the next one.
 */
static void work(const char *address, const char *base_path, atomic_uint *run)
{
	int base_len = (int)strlen(base_path) - (base_path[strlen(base_path) - 1] == '/');
	struct client *c = client_create(
	    &(struct client_options){ .url = address, .direct = true });
	unsigned number = c ? begin_job(c, 1) : 0, next;

	if (!c)
		fprintf(stderr, "joblight: %s\n", curl_library_error());
	atomic_store(run, number);
	if (number)
		printf("\n  Look at  %s%.*s/demo\n\n  Stop it with Ctrl-C.\n\n", address, base_len,
		       base_path);
	fflush(stdout);
	for (; number; number = next) {
		struct current_job current = { .client = c };
		job_id(current.job, number);
		bool done = do_job(&current);
		next = begin_job(c, number + 1);
		if (next)
			atomic_store(run, next);
		send_presence(c, current.job, "");
		if (done)
			finish_job(&current);
	}
	client_free(c);
}

/* Starts the server in a child; *out reads its standard output. */
static pid_t start_server(const struct config *config, FILE **out)
{
	int ends[2];

	if (pipe(ends) != 0)
		return -1;
	pid_t child = fork();
	if (child == 0) {
		setpgid(0, 0); /* the parent forwards a Ctrl-C, so that it arrives once */
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* the server ends when the parent dies */
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(server_run(config));
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return -1;
	}
	*out = fdopen(ends[0], "r");
	return child;
}

static bool read_address(FILE *out, char *address, size_t len)
{
	char line[256];
	const char *url;

	if (!out || !fgets(line, sizeof(line), out) || !(url = strstr(line, "http://")))
		return false;
	snprintf(address, len, "%.*s", (int)strcspn(url, "\n"), url);
	return true;
}

static void remove_files(const char *directory)
{
	static const char *const names[] = { "demo.db", "demo.db-wal", "demo.db-shm",
		                             "demo.db-lock" };
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
}

static int run_demo(struct config *config)
{
	struct sigaction action = { .sa_handler = on_signal };
	atomic_uint *run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
	                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char address[256];
	FILE *out = NULL;
	int status = 1;

	if (run == MAP_FAILED)
		return 1;
	config->demo_run = run;
	pid_t child = start_server(config, &out);
	if (child < 0)
		return 1;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!process_is_without_hangup())
		sigaction(SIGHUP, &action, NULL); /* the terminal was closed */
	if (read_address(out, address, sizeof(address)))
		work(address, config->base_path, run);
	if (stopping)
		kill(child, SIGTERM);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (out)
		fclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_with(struct config *config)
{
	int status = run_demo(config);

	config_finish(config);
	return status;
}

/* Does what the flag `--db FILE` does. */
static int run_on(char *db, int argc, char **argv)
{
	struct config config;
	char flag[] = "--db", **with_db = xcalloc((size_t)argc + 3, sizeof(*with_db));

	memcpy(with_db, argv, (size_t)argc * sizeof(*argv));
	with_db[argc] = flag;
	with_db[argc + 1] = db;
	int status = config_parse(&config, argc + 2, with_db, stderr) ? run_with(&config) : 2;
	free(with_db);
	return status;
}

int verb_demo(int argc, char **argv)
{
	char directory[] = "/tmp/joblight-demo-XXXXXX", db[64];
	struct config config;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			puts("joblight demo: a server and a worker, and the address to open.\n"
			     "Without --db the database is deleted at the end.\n");
			config_help(stdout);
			return 0;
		}
	if (!config_parse(&config, argc, argv, stderr)) {
		config_finish(&config);
		return 2;
	}
	if (config_gives_db(&config))
		return run_with(&config);
	if (!mkdtemp(directory)) {
		perror("joblight: cannot make a directory for the demo");
		return 1;
	}
	snprintf(db, sizeof(db), "%s/demo.db", directory);
	config_finish(&config);
	int status = run_on(db, argc, argv);
	remove_files(directory);
	return status;
}
