/* `joblight report`: one update of a task, as a worker sends it. */
#include <stdio.h>

#include "answer.h"
#include "joblight/core/json.h"
#include "output.h"
#include "remote.h"
#include "update_body.h"
#include "verbs.h"

/* `--create`: the job, unless it exists. */
static int create_job(struct remote *r, const char *job)
{
	struct buf json = { 0 }, answer = { 0 };

	buf_text(&json, "{\"id\":");
	json_string(&json, slice_of(job));
	buf_text(&json, ",\"title\":");
	json_string(&json, slice_of(job));
	buf_text(&json, ",\"status\":\"in_progress\"}");
	int status = remote_ask(r,
	                        &(struct remote_call){ .method = "POST",
	                                               .path = "/api/jobs",
	                                               .json = buf_string(&json),
	                                               .ignored_code = "job_exists" },
	                        &answer);
	buf_finish(&json);
	buf_finish(&answer);
	return status;
}

static int print_answer(const struct arguments *a, const struct remote *r, const struct buf *answer)
{
	cJSON *root = answer_parse(buf_as_slice(answer));
	struct output o;
	struct buf line = { 0 };

	if (!root)
		return remote_is_foreign(r);
	output_init(&o, a);
	buf_format(&line, "reported as event %.0f (%.0f watching)", answer_number(root, "seq", 0),
	           answer_number(root, "watchers", 0));
	output_answer(o.json ? answer_line(answer) : buf_as_slice(&line));
	buf_finish(&line);
	cJSON_Delete(root);
	return EXIT_OK;
}

static int send_update(struct remote *r, const struct arguments *a, struct buf *json)
{
	struct buf path = { 0 }, answer = { 0 };

	buf_text(&path, "/api/agent-hooks/task-update/");
	remote_add_segment(&path, a->operands[0]);
	int status = remote_ask(
	    r,
	    &(struct remote_call){ .method = "POST",
	                           .path = buf_string(&path),
	                           .json = buf_string(json),
	                           .idempotency_key = arguments_value(a, "idempotency-key") },
	    &answer);
	if (status == EXIT_OK)
		status = print_answer(a, r, &answer);
	buf_finish(&path);
	buf_finish(&answer);
	return status;
}

int verb_report(const struct arguments *a)
{
	struct remote r;
	struct buf json = { 0 };
	int status = update_body_make(&json, a);

	if (status == EXIT_OK && (status = remote_open(&r, a)) == EXIT_OK) {
		if (arguments_has(a, "create"))
			status = create_job(&r, a->operands[0]);
		if (status == EXIT_OK)
			status = send_update(&r, a, &json);
		remote_close(&r);
	}
	buf_finish(&json);
	return status;
}
