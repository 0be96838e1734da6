/* `joblight job export` and `import`: on a running server, in pieces, or on a database file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "joblight/base/clock.h"
#include "joblight/core/model.h"
#include "output.h"
#include "remote.h"
#include "serve/db.h"
#include "serve/process.h"
#include "verbs.h"

struct transfer {
	struct remote remote;
	uint64_t moved_ms; /* when the last bytes came or went */
	bool input_failed;
};

/* ---- on a running server ---- */

static bool print_bytes(void *context, struct slice bytes)
{
	struct transfer *t = context;

	output_bytes(bytes);
	t->moved_ms = clock_monotonic_ms();
	return true;
}

/* False: the server has not said anything for the time of --timeout. */
static bool still_moves(void *context)
{
	const struct transfer *t = context;

	return clock_monotonic_ms() - t->moved_ms <= (uint64_t)t->remote.timeout_ms;
}

/* The answer of an import is no stream. */
static bool skip_bytes(void *context, struct slice bytes)
{
	(void)context;
	(void)bytes;
	return true;
}

static int64_t read_input(void *context, char *bytes, size_t size)
{
	struct transfer *t = context;
	ssize_t len;

	do
		len = read(STDIN_FILENO, bytes, size);
	while (len < 0 && errno == EINTR);
	t->moved_ms = clock_monotonic_ms();
	t->input_failed = len < 0;
	if (len < 0)
		perror("joblight: standard input");
	return len;
}

static int end_of(struct transfer *t, struct call_answer *answer)
{
	if (answer->status >= 400)
		answer->end = CALL_ANSWERED; /* before all was sent */
	else if (answer->end != CALL_ANSWERED && !still_moves(t))
		answer->end = CALL_TIMED_OUT;
	int status = remote_status(answer);
	if (status != EXIT_OK)
		remote_print_problem(&t->remote, answer);
	return status;
}

static int end_export(struct transfer *t, struct call_answer *answer)
{
	if (answer->status != 200 || answer->end == CALL_ANSWERED)
		return end_of(t, answer);
	fprintf(stderr,
	        "joblight: %s: the server has ended the export before it was complete; the job "
	        "has changed, or the server stops: begin again\n",
	        t->remote.url);
	return EXIT_FAILED;
}

static int export_remotely(struct transfer *t, const char *job)
{
	struct client_reader reader = { print_bytes, still_moves, t };
	struct call_answer answer = { 0 };
	struct buf path = { 0 };

	buf_text(&path, "/api/jobs/");
	remote_add_segment(&path, job);
	buf_text(&path, "/export");
	t->moved_ms = clock_monotonic_ms();
	client_read(t->remote.client, buf_string(&path), &reader, &answer);
	int status = end_export(t, &answer);
	buf_finish(&path);
	buf_finish(&answer.body);
	return status;
}

static int end_import(struct transfer *t, struct call_answer *answer)
{
	if (t->input_failed && answer->status < 400)
		return EXIT_FAILED;
	int status = end_of(t, answer);
	if (status != EXIT_OK)
		return status;
	return answer->status == 201 ? remote_print_answer(&t->remote, &answer->body)
	                             : remote_is_foreign(&t->remote);
}

static int import_remotely(struct transfer *t, const struct db_import *how)
{
	struct client_upload upload = { "application/x-ndjson", read_input, t };
	struct client_reader reader = { skip_bytes, still_moves, t };
	struct call_answer answer = { 0 };
	struct buf path = { 0 };

	buf_format(&path, "/api/imports?replace=%s&keepEpoch=%s", how->replace ? "true" : "false",
	           how->keep_epoch ? "true" : "false");
	if (how->as) {
		buf_text(&path, "&as=");
		remote_add_segment(&path, how->as);
	}
	t->moved_ms = clock_monotonic_ms();
	client_send_stream(t->remote.client, buf_string(&path), &upload, &reader, &answer);
	int status = end_import(t, &answer);
	buf_finish(&path);
	buf_finish(&answer.body);
	return status;
}

/* ---- on a database ---- */

/* The settings of the database: those of a server with this --db; `job`: of an export. */
static int on_database(const char *db, const char *job, const struct db_import *how)
{
	char verb[] = "db", flag[] = "--db";
	char *words[] = { verb, flag, (char *)(uintptr_t)db, NULL };
	struct config config;
	int status = EXIT_USAGE;

	process_ignore_signals(); /* a file that may not grow is an error, no signal */
	if (config_parse(&config, db ? 3 : 1, words, stderr))
		status = job ? db_job_export(&config, job) : db_job_import(&config, how);
	config_finish(&config);
	return status;
}

/* ---- the verbs ---- */

/* --db names a database, everything else a server; without either it is the default database. */
static int in_place(const struct arguments *a, const char *job, const struct db_import *how)
{
	const char *db = arguments_value(a, "db");
	struct transfer t = { 0 };

	if (db && arguments_has(a, "url"))
		return arguments_fault("--url", arguments_value(a, "url"),
		                       "it cannot be used with --db");
	if (db || !remote_url(a))
		return on_database(db, job, how);
	int status = remote_open(&t.remote, a);
	if (status != EXIT_OK)
		return status;
	status = job ? export_remotely(&t, job) : import_remotely(&t, how);
	remote_close(&t.remote);
	return status;
}

static int refuse_id(const char *what, const char *id)
{
	return arguments_fault(what, id, "this is not the id of a job");
}

int verb_job_export(const struct arguments *a)
{
	const char *job = a->operands[0];

	return id_valid(slice_of(job)) ? in_place(a, job, &(struct db_import){ 0 })
	                               : refuse_id("JOB", job);
}

int verb_job_import(const struct arguments *a)
{
	struct db_import how = { arguments_value(a, "as"), arguments_has(a, "replace"),
		                 arguments_has(a, "keep-epoch") };

	if (how.as && !id_valid(slice_of(how.as)))
		return refuse_id("--as", how.as);
	return in_place(a, NULL, &how);
}
