#include "remote.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"

static const char *given(const char *text)
{
	return text && text[0] ? text : NULL;
}

const char *remote_url(const char *flag)
{
	return given(flag) ? flag : given(getenv("JOBLIGHT_URL"));
}

bool remote_open(struct remote *r, const char *url)
{
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
		fprintf(stderr,
		        "joblight: --url takes an address such as http://127.0.0.1:3001, not "
		        "\"%s\"\n",
		        url);
		return false;
	}
	size_t len = strlen(url);
	while (url[len - 1] == '/')
		len--;
	r->url = xmemdup(url, len);
	r->client = client_create(r->url, given(getenv("JOBLIGHT_KEY")));
	return r->client != NULL;
}

void remote_close(struct remote *r)
{
	client_free(r->client);
	free(r->url);
	r->client = NULL;
	r->url = NULL;
}

/* The detail of a problem (RFC 9457), or the status. */
static void print_problem(const struct remote *r, int status, const struct buf *answer)
{
	cJSON *root = cJSON_ParseWithLength(answer->ptr, answer->len);
	const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "detail"));

	if (detail)
		fprintf(stderr, "joblight: %s: %s\n", r->url, detail);
	else
		fprintf(stderr, "joblight: %s: the answer was %d\n", r->url, status);
	if (status == 401 && !given(getenv("JOBLIGHT_KEY")))
		fputs("Set JOBLIGHT_KEY to a key of this server.\n", stderr);
	cJSON_Delete(root);
}

bool remote_send(struct remote *r, const char *method, const char *path, const char *json,
                 struct buf *answer)
{
	int status = client_send(r->client, method, path, json, answer);

	if (!status)
		fprintf(stderr, "joblight: %s: %s\n", r->url, client_error(r->client));
	else if (status >= 300)
		print_problem(r, status, answer);
	return status >= 200 && status < 300;
}
