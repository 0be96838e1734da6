/* `joblight login-link`: a link that logs in a browser, once. */
#include <stdio.h>

#include "answer.h"
#include "output.h"
#include "remote.h"
#include "verbs.h"

static int print_link(const struct remote *r, const struct buf *answer)
{
	cJSON *root = answer_parse(buf_as_slice(answer));
	const char *code = answer_text(root, "code");
	struct buf line = { 0 };

	buf_format(&line, "%s/login#code=%s", r->url, code ? code : "");
	if (code)
		output_answer(buf_as_slice(&line));
	buf_finish(&line);
	cJSON_Delete(root);
	return code ? EXIT_OK : remote_is_foreign(r);
}

int verb_login_link(const struct arguments *a)
{
	struct buf answer = { 0 };
	struct remote r;
	int status = remote_open(&r, a);

	if (status != EXIT_OK)
		return status;
	status = remote_ask(
	    &r, &(struct remote_call){ .method = "POST", .path = "/api/login-codes" }, &answer);
	if (status == EXIT_OK)
		status = print_link(&r, &answer);
	buf_finish(&answer);
	remote_close(&r);
	return status;
}
