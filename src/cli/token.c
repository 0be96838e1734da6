/* `joblight token create`, `check` and `revoke`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "lists.h"
#include "output.h"
#include "remote.h"
#include "text_check.h"
#include "verbs.h"

#define TOKEN_MAX 16384 /* bytes of a line that holds a token */

/* ---- create ---- */

static int add_expires(struct buf *json, const char *text)
{
	int64_t ms;

	if (!text)
		return EXIT_OK;
	if (!arguments_time(text, &ms))
		return arguments_fault("--expires", text, "it takes a time such as 1h");
	buf_format(json, ",\"expiresIn\":%lld", (long long)ms / 1000);
	return EXIT_OK;
}

static int make_request(struct buf *json, const struct arguments *a)
{
	const char *scope = arguments_value(a, "scope"), *subject = arguments_value(a, "subject");
	const char *commands = arguments_value(a, "commands");

	if ((scope && text_check("--scope", slice_of(scope)) != EXIT_OK) ||
	    (subject && text_check("--subject", slice_of(subject)) != EXIT_OK) ||
	    (commands && text_check("--commands", slice_of(commands)) != EXIT_OK))
		return EXIT_USAGE;
	buf_text(json, "{\"scope\":");
	list_encode(json, scope ? scope : "watch");
	json_text(json, "subject", subject);
	if (commands) {
		json_name(json, "commands");
		list_encode(json, commands);
	}
	int status = add_expires(json, arguments_value(a, "expires"));
	buf_char(json, '}');
	return status;
}

static int print_token(const struct arguments *a, const struct remote *r, const struct buf *answer)
{
	cJSON *root = answer_parse(buf_as_slice(answer));
	const char *token = answer_text(root, "token");
	struct buf line = { 0 };
	struct output o;

	output_init(&o, a);
	if (token && arguments_has(a, "link"))
		buf_format(&line, "%s/jobs/%s#token=%s", r->url, a->operands[0], token);
	else if (token && o.json)
		buf_slice(&line, answer_line(answer));
	else if (token)
		buf_text(&line, token);
	if (token)
		output_answer(buf_as_slice(&line));
	buf_finish(&line);
	cJSON_Delete(root);
	return token ? EXIT_OK : remote_is_foreign(r);
}

static int ask_for_token(struct remote *r, const struct arguments *a, struct buf *json)
{
	struct buf path = { 0 }, answer = { 0 };

	buf_text(&path, "/api/jobs/");
	remote_add_segment(&path, a->operands[0]);
	buf_text(&path, "/tokens");
	int status = remote_ask(r,
	                        &(struct remote_call){ .method = "POST",
	                                               .path = buf_string(&path),
	                                               .json = buf_string(json) },
	                        &answer);
	if (status == EXIT_OK)
		status = print_token(a, r, &answer);
	buf_finish(&path);
	buf_finish(&answer);
	return status;
}

int verb_token_create(const struct arguments *a)
{
	struct buf json = { 0 };
	struct remote r;
	int status = make_request(&json, a);

	if (status == EXIT_OK && (status = remote_open(&r, a)) == EXIT_OK) {
		status = strncmp(r.url, "unix:", 5) == 0 && arguments_has(a, "link")
		             ? arguments_fault("--link", r.url, "a browser cannot reach it")
		             : ask_for_token(&r, a, &json);
		remote_close(&r);
	}
	buf_finish(&json);
	return status;
}

/* ---- the token to check or to revoke ---- */

/* The first line of the file, or of standard input. */
static char *read_token(const char *name)
{
	bool own = name && strcmp(name, "-") != 0;
	FILE *file = own ? fopen(name, "re") : stdin;
	char line[TOKEN_MAX];
	char *token = NULL;

	if (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, " \t\r\n")] = '\0';
		token = line[0] ? xstrdup(line) : NULL;
	}
	if (!token)
		fprintf(stderr, "joblight: %s: %s\n", own ? name : "standard input",
		        file && !ferror(file) ? "there is no token" : strerror(errno));
	if (own && file)
		fclose(file);
	explicit_bzero(line, sizeof(line));
	return token;
}

/* Opens the server with the token in place of the key. */
static int open_with_token(struct remote *r, const struct arguments *a)
{
	char *token = read_token(a->operands[0]);

	if (!token)
		return EXIT_FAILED;
	int status = remote_read_settings(r, a);
	if (status != EXIT_OK) {
		free(token);
		return status;
	}
	free(r->key);
	r->key = token;
	return remote_connect_or_say(r);
}

/* ---- check ---- */

static void add_list(struct buf *line, const cJSON *array)
{
	const char *separator = "";
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		buf_format(line, "%s%s", separator, cJSON_IsString(item) ? item->valuestring : "?");
		separator = ", ";
	}
}

static void print_field(const struct output *o, const char *name, const char *text)
{
	struct buf line = { 0 };

	buf_format(&line, "%-9s", name);
	output_text(o, &line, text, 4096);
	output_line(buf_as_slice(&line));
	buf_finish(&line);
}

static void print_list(const struct output *o, const char *name, const cJSON *array)
{
	struct buf text = { 0 };

	add_list(&text, array);
	if (text.len)
		print_field(o, name, buf_string(&text));
	buf_finish(&text);
}

static void print_session(const struct output *o, const cJSON *root)
{
	static const char *const texts[][2] = { { "name", "name" },
		                                { "key", "id" },
		                                { "expires", "expiresAt" } };
	static const char *const lists[][2] = { { "scope", "scope" },
		                                { "jobs", "jobs" },
		                                { "commands", "commands" } };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text = answer_text(root, texts[i][1]);
		if (text && text[0])
			print_field(o, texts[i][0], text);
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		print_list(o, lists[i][0], cJSON_GetObjectItemCaseSensitive(root, lists[i][1]));
}

static int print_check(const struct arguments *a, const struct remote *r, const struct buf *answer)
{
	cJSON *root = answer_parse(buf_as_slice(answer));
	bool open = answer_true(root, "open");
	struct output o;

	output_init(&o, a);
	if (open)
		fputs("joblight: this server has no keys; it accepts everything\n", stderr);
	if (root && o.json)
		output_answer(answer_line(answer));
	else if (root)
		print_session(&o, root);
	cJSON_Delete(root);
	return root ? EXIT_OK : remote_is_foreign(r);
}

int verb_token_check(const struct arguments *a)
{
	struct buf answer = { 0 };
	struct remote r;
	int status = open_with_token(&r, a);

	if (status != EXIT_OK)
		return status;
	status = remote_ask(&r, &(struct remote_call){ .method = "GET", .path = "/api/session" },
	                    &answer);
	if (status == EXIT_OK)
		status = print_check(a, &r, &answer);
	buf_finish(&answer);
	remote_close(&r);
	return status;
}

/* ---- revoke ---- */

int verb_token_revoke(const struct arguments *a)
{
	struct buf answer = { 0 };
	struct remote r;
	int status = open_with_token(&r, a);

	if (status != EXIT_OK)
		return status;
	status = remote_ask(&r, &(struct remote_call){ .method = "DELETE", .path = "/api/session" },
	                    &answer);
	buf_finish(&answer);
	remote_close(&r);
	return status;
}
