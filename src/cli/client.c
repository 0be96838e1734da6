#include "client.h"

#include <stdlib.h>

#include "curl_library.h"
#include "joblight/base/xalloc.h"

struct client {
	const struct curl_library *library;
	CURL *curl;
	char *base_url;
	struct curl_slist *headers, *headers_of_json;
	CURLcode result;
};

static void add_key(struct client *c, const char *key)
{
	struct buf line = { 0 };

	if (!key)
		return;
	buf_format(&line, "Authorization: Bearer %s", key);
	c->headers = c->library->slist_append(c->headers, buf_string(&line));
	c->headers_of_json = c->library->slist_append(c->headers_of_json, buf_string(&line));
	explicit_bzero(line.ptr, line.len);
	buf_finish(&line);
}

struct client *client_create(const char *base_url, const char *key)
{
	const struct curl_library *library = curl_library();
	struct client *c;

	if (!library)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->library = library;
	c->curl = library->easy_init();
	c->base_url = xstrdup(base_url);
	c->headers_of_json = library->slist_append(NULL, "Content-Type: application/json");
	add_key(c, key);
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	c->library->easy_cleanup(c->curl);
	c->library->slist_free_all(c->headers);
	c->library->slist_free_all(c->headers_of_json);
	free(c->base_url);
	free(c);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	buf_add(context, bytes, size * count);
	return size * count;
}

int client_send(struct client *c, const char *method, const char *path, const char *json,
                struct buf *answer)
{
	const struct curl_library *library = c->library;
	struct buf url = { 0 };
	long status = 0;

	buf_format(&url, "%s%s", c->base_url, path);
	answer->len = 0;
	library->easy_reset(c->curl);
	library->easy_setopt(c->curl, CURLOPT_URL, buf_string(&url));
	library->easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	library->easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	library->easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_body);
	library->easy_setopt(c->curl, CURLOPT_WRITEDATA, answer);
	library->easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, 30000L);
	library->easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	library->easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	library->easy_setopt(c->curl, CURLOPT_HTTPHEADER, json ? c->headers_of_json : c->headers);
	if (json)
		library->easy_setopt(c->curl, CURLOPT_POSTFIELDS, json);
	else if (strcmp(method, "POST") == 0)
		library->easy_setopt(c->curl, CURLOPT_POSTFIELDS, "");
	c->result = library->easy_perform(c->curl);
	if (c->result == CURLE_OK)
		library->easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	buf_finish(&url);
	return (int)status;
}

const char *client_error(const struct client *c)
{
	return c->result == CURLE_OK ? "" : c->library->easy_strerror(c->result);
}
