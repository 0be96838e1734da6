/* `joblight job create`, `list`, `show` and `end`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "job_lines.h"
#include "joblight/core/json.h"
#include "lists.h"
#include "output.h"
#include "remote.h"
#include "text_check.h"
#include "verbs.h"

#define LIST_DEFAULT 100
#define LIST_MAX 1000000
#define PAGE_ROWS 1000 /* the server's limit */

/* ---- what all of them do ---- */

/* False: it is no answer of a joblight server. */
typedef bool print_answer(const struct output *o, const struct remote *r, const cJSON *root);

/* Asks, and prints the answer: as it came, or for people. */
static int ask(const struct arguments *a, const struct remote_call *call, print_answer *print)
{
	struct buf answer = { 0 };
	struct output o;
	struct remote r;
	int status = remote_open(&r, a);

	if (status != EXIT_OK)
		return status;
	output_init(&o, a);
	status = remote_ask(&r, call, &answer);
	cJSON *root = status == EXIT_OK ? answer_parse(buf_as_slice(&answer)) : NULL;
	if (root && o.json)
		output_answer(answer_line(&answer));
	if (status == EXIT_OK && !(root && (o.json || print(&o, &r, root))))
		status = remote_is_foreign(&r);
	cJSON_Delete(root);
	buf_finish(&answer);
	remote_close(&r);
	return status;
}

static void add_path(struct buf *path, const char *job)
{
	buf_text(path, "/api/jobs/");
	remote_add_segment(path, job);
}

/* Appends the address of the job's page; its id when a browser cannot reach the server. */
static void add_page(struct buf *line, const struct remote *r, const char *job)
{
	if (strncmp(r->url, "unix:", 5) != 0)
		buf_format(line, "%s/jobs/", r->url);
	buf_text(line, job);
}

static void print_head(const struct output *o, const cJSON *job)
{
	const char *status = answer_text(job, "status"), *title = answer_text(job, "title");
	struct buf line = { 0 };

	output_mark(o, &line, status ? status : "");
	buf_format(&line, " ");
	output_text(o, &line, title ? title : "", output_room(2));
	output_line(buf_as_slice(&line));
	buf_finish(&line);
}

/* ---- create ---- */

static void add_tasks(struct buf *json, const char *list)
{
	struct slice id;
	const char *comma = "";

	buf_text(json, ",\"tasks\":[");
	for (; list_next(&list, &id); comma = ",") {
		buf_format(json, "%s{\"id\":", comma);
		json_string(json, id);
		buf_char(json, '}');
	}
	buf_char(json, ']');
}

/* A flag whose value is a JSON object. */
static int check_object(const char *flag, const char *text)
{
	size_t at;
	struct slice trimmed = slice_trimmed(slice_of(text));

	if (!json_check(trimmed, JSON_DEPTH_MAX, &at) && trimmed.ptr[0] == '{')
		return EXIT_OK;
	return arguments_fault(flag, text, "it takes a JSON object, such as '{\"a\":1}'");
}

static int make_new_job(struct buf *json, const struct arguments *a)
{
	const char *id = arguments_value(a, "id"), *tasks = arguments_value(a, "tasks");
	const char *status = arguments_value(a, "status"),
	           *metadata = arguments_value(a, "metadata");

	if (text_check("the title", slice_of(a->operands[0])) != EXIT_OK ||
	    (id && text_check("--id", slice_of(id)) != EXIT_OK) ||
	    (tasks && text_check("--tasks", slice_of(tasks)) != EXIT_OK))
		return EXIT_USAGE;
	buf_text(json, "{\"title\":");
	json_string(json, slice_of(a->operands[0]));
	json_text(json, "status", status ? status : "in_progress");
	json_text(json, "id", id);
	if (tasks)
		add_tasks(json, tasks);
	if (metadata)
		buf_format(json, ",\"metadata\":%s", metadata);
	buf_char(json, '}');
	return metadata ? check_object("--metadata", metadata) : EXIT_OK;
}

static bool print_new_job(const struct output *o, const struct remote *r, const cJSON *job)
{
	const char *id = answer_text(job, "id");
	struct buf line = { 0 };

	(void)o;
	if (id) {
		add_page(&line, r, id);
		output_answer(buf_as_slice(&line));
	}
	buf_finish(&line);
	return id != NULL;
}

int verb_job_create(const struct arguments *a)
{
	struct buf json = { 0 };
	int status = make_new_job(&json, a);

	if (status == EXIT_OK)
		status = ask(a,
		             &(struct remote_call){
		                 .method = "POST",
		                 .path = "/api/jobs",
		                 .json = buf_string(&json),
		                 .idempotency_key = arguments_value(a, "idempotency-key") },
		             print_new_job);
	buf_finish(&json);
	return status;
}

/* ---- end ---- */

static bool print_end(const struct output *o, const struct remote *r, const cJSON *job)
{
	(void)r;
	print_head(o, job);
	return true;
}

int verb_job_end(const struct arguments *a)
{
	const char *status_name = arguments_value(a, "status");
	struct buf path = { 0 }, json = { 0 };

	add_path(&path, a->operands[0]);
	buf_format(&json, "{\"status\":\"%s\"}", status_name ? status_name : "completed");
	int status = ask(
	    a,
	    &(struct remote_call){ .method = "PATCH",
	                           .path = buf_string(&path),
	                           .json = buf_string(&json),
	                           .idempotency_key = arguments_value(a, "idempotency-key") },
	    print_end);
	buf_finish(&path);
	buf_finish(&json);
	return status;
}

/* ---- show ---- */

static bool print_job(const struct output *o, const struct remote *r, const cJSON *job)
{
	const cJSON *tasks = cJSON_GetObjectItemCaseSensitive(job, "tasks"), *task;

	(void)r;
	print_head(o, job);
	cJSON_ArrayForEach(task, tasks)
	{
		job_line_print(o, answer_text(task, "id"), task);
	}
	return cJSON_IsArray(tasks);
}

int verb_job_show(const struct arguments *a)
{
	struct buf path = { 0 };

	add_path(&path, a->operands[0]);
	int status = ask(a, &(struct remote_call){ .method = "GET", .path = buf_string(&path) },
	                 print_job);
	buf_finish(&path);
	return status;
}

/* ---- list ---- */

static void print_row(const struct output *o, const cJSON *job)
{
	char *line;

	if (!o->json) {
		job_line_print(o, answer_text(job, "id"), job);
		return;
	}
	line = cJSON_PrintUnformatted(job);
	output_answer(slice_of(line));
	cJSON_free(line);
}

static void make_page_path(struct buf *path, const char *status, unsigned rows, const char *token)
{
	path->len = 0;
	buf_format(path, "/api/jobs?limit=%u", rows > PAGE_ROWS ? PAGE_ROWS : rows);
	if (status)
		buf_format(path, "&status=%s", status);
	if (token) {
		buf_text(path, "&pageToken=");
		remote_add_segment(path, token);
	}
}

/* Prints one page.  *next is the token of the one that follows; NULL: there is none. */
static int list_page(struct remote *r, const struct output *o, const char *path, unsigned *left,
                     char **next)
{
	struct buf answer = { 0 };
	int status = remote_ask(r, &(struct remote_call){ .method = "GET", .path = path }, &answer);
	cJSON *root = status == EXIT_OK ? answer_parse(buf_as_slice(&answer)) : NULL;
	const cJSON *jobs = cJSON_GetObjectItemCaseSensitive(root, "jobs"), *job;
	const char *token = answer_text(root, "nextPageToken");

	if (status == EXIT_OK && !cJSON_IsArray(jobs))
		status = remote_is_foreign(r);
	if (!cJSON_GetArraySize(jobs))
		token = NULL; /* a page that leads on has rows */
	cJSON_ArrayForEach(job, jobs)
	{
		if (!*left)
			break;
		print_row(o, job);
		--*left;
	}
	free(*next);
	*next = token ? strdup(token) : NULL;
	cJSON_Delete(root);
	buf_finish(&answer);
	return status;
}

static int list(const struct arguments *a, unsigned left)
{
	struct buf path = { 0 };
	struct output o;
	struct remote r;
	char *token = NULL;
	int status = remote_open(&r, a);

	if (status != EXIT_OK)
		return status;
	output_init(&o, a);
	do {
		make_page_path(&path, arguments_value(a, "status"), left, token);
		status = list_page(&r, &o, buf_string(&path), &left, &token);
	} while (status == EXIT_OK && token && left);
	free(token);
	buf_finish(&path);
	remote_close(&r);
	return status;
}

int verb_job_list(const struct arguments *a)
{
	unsigned left = LIST_DEFAULT;
	int status = arguments_number(a, "limit", 1, LIST_MAX, &left);

	return status == EXIT_OK ? list(a, left) : status;
}

/* ---- command ---- */

static int make_command(struct buf *json, const struct arguments *a)
{
	const char *task = arguments_value(a, "task"), *args = arguments_value(a, "args");

	if (text_check("the command", slice_of(a->operands[1])) != EXIT_OK ||
	    (task && text_check("--task", slice_of(task)) != EXIT_OK))
		return EXIT_USAGE;
	buf_text(json, "{\"command\":");
	json_string(json, slice_of(a->operands[1]));
	json_text(json, "taskId", task);
	if (args)
		buf_format(json, ",\"args\":%s", args);
	buf_char(json, '}');
	return args ? check_object("--args", args) : EXIT_OK;
}

static bool print_command(const struct output *o, const struct remote *r, const cJSON *root)
{
	struct buf line = { 0 };

	(void)o;
	(void)r;
	buf_format(&line, "sent as event %.0f", answer_number(root, "seq", 0));
	output_line(buf_as_slice(&line));
	buf_finish(&line);
	return true;
}

int verb_command(const struct arguments *a)
{
	struct buf path = { 0 }, json = { 0 };
	int status = make_command(&json, a);

	add_path(&path, a->operands[0]);
	buf_text(&path, "/commands");
	if (status == EXIT_OK)
		status = ask(a,
		             &(struct remote_call){
		                 .method = "POST",
		                 .path = buf_string(&path),
		                 .json = buf_string(&json),
		                 .idempotency_key = arguments_value(a, "idempotency-key") },
		             print_command);
	buf_finish(&path);
	buf_finish(&json);
	return status;
}
