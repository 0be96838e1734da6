#include "key_remote.h"

#include <stdio.h>

#include "answer.h"
#include "joblight/core/json.h"
#include "joblight/core/right.h"
#include "key_print.h"
#include "output.h"
#include "text_check.h"

/* Returns an exit status: EXIT_FAILED after a message. */
typedef int use_answer(const struct remote *r, const cJSON *root);

/* Sends one request, and lets `use` print the answer. */
static int ask(struct remote *r, const struct remote_call *call, use_answer *use)
{
	struct buf answer = { 0 };
	int status = remote_ask(r, call, &answer);

	if (status == EXIT_OK && use) {
		cJSON *root = answer_parse(buf_as_slice(&answer));
		status = use(r, root);
		cJSON_Delete(root);
	}
	if (answer.ptr)
		explicit_bzero(answer.ptr, answer.len);
	buf_finish(&answer);
	return status;
}

static int print_key(const struct remote *r, const cJSON *root)
{
	const char *key = answer_text(root, "key"), *id = answer_text(root, "id");

	return key && id && text_visible(key) && text_visible(id) ? key_print(key, id)
	                                                          : remote_is_foreign(r);
}

int key_remote_create(struct remote *r, const struct access_key_row *row)
{
	struct buf json = { 0 };

	buf_text(&json, "{\"name\":");
	json_string(&json, slice_of(row->name));
	buf_text(&json, ",\"scope\":[");
	right_encode(&json, (enum right)row->rights);
	buf_text(&json, "],\"jobs\":");
	json_words(&json, row->jobs);
	if (row->expires)
		buf_format(&json, ",\"expiresIn\":%lld", (long long)row->expires / 1000);
	buf_char(&json, '}');
	int status = ask(
	    r,
	    &(struct remote_call){
	        .method = "POST", .path = "/api/keys", .json = buf_string(&json), .once = true },
	    print_key);
	buf_finish(&json);
	return status;
}

static int print_keys(const struct remote *r, const cJSON *root)
{
	const cJSON *keys = cJSON_GetObjectItemCaseSensitive(root, "keys"), *key;

	cJSON_ArrayForEach(key, keys)
	{
		char *line = cJSON_PrintUnformatted(key);
		output_answer(slice_of(line));
		cJSON_free(line);
	}
	return cJSON_IsArray(keys) ? EXIT_OK : remote_is_foreign(r);
}

int key_remote_list(struct remote *r)
{
	return ask(r, &(struct remote_call){ .method = "GET", .path = "/api/keys" }, print_keys);
}

int key_remote_revoke(struct remote *r, const char *id)
{
	char path[64];

	snprintf(path, sizeof(path), "/api/keys/%s", id);
	return ask(r, &(struct remote_call){ .method = "DELETE", .path = path }, NULL);
}
