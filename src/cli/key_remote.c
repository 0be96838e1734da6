#include "key_remote.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/core/json.h"
#include "joblight/core/right.h"
#include "remote.h"

/* False: this is not the answer of a joblight server. */
typedef bool use_answer(const cJSON *root);

/* False after a message. */
static bool is_printed(const char *id)
{
	if (fflush(stdout) == 0)
		return true;
	if (id)
		fprintf(stderr,
		        "joblight: the key cannot be printed; revoke it: joblight key revoke %s\n",
		        id);
	else
		perror("joblight: standard output");
	return false;
}

/* Sends one request, and lets `use` print the answer. */
static int run(const char *url, const char *method, const char *path, const char *json,
               use_answer *use)
{
	struct remote remote;
	struct buf answer = { 0 };

	if (!remote_open(&remote, url))
		return 1;
	bool ok = remote_send(&remote, method, path, json, &answer);
	if (ok && use) {
		cJSON *root = cJSON_ParseWithLength(answer.ptr, answer.len);
		ok = use(root);
		cJSON_Delete(root);
		if (!ok)
			fprintf(stderr, "joblight: %s is not a joblight server\n", url);
	}
	if (answer.ptr)
		explicit_bzero(answer.ptr, answer.len);
	buf_finish(&answer);
	remote_close(&remote);
	return ok ? 0 : 1;
}

static bool print_key(const cJSON *root)
{
	const char *key = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "key"));

	const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "id"));

	if (!key || !id)
		return false;
	puts(key);
	if (!is_printed(id))
		exit(1);
	return true;
}

int key_remote_create(const char *url, const struct access_key_row *row)
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
	int status = run(url, "POST", "/api/keys", buf_string(&json), print_key);
	buf_finish(&json);
	return status;
}

static bool print_keys(const cJSON *root)
{
	const cJSON *keys = cJSON_GetObjectItemCaseSensitive(root, "keys"), *key;

	cJSON_ArrayForEach(key, keys)
	{
		char *line = cJSON_PrintUnformatted(key);
		if (line)
			puts(line);
		cJSON_free(line);
	}
	if (!is_printed(NULL))
		exit(1);
	return cJSON_IsArray(keys);
}

int key_remote_list(const char *url)
{
	return run(url, "GET", "/api/keys", NULL, print_keys);
}

int key_remote_revoke(const char *url, const char *id)
{
	char path[64];

	snprintf(path, sizeof(path), "/api/keys/%s", id);
	return run(url, "DELETE", path, NULL, NULL);
}
