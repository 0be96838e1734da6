#include "client.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"

struct client {
	CURL *curl;
	char *base_url;
	struct curl_slist *headers;
};

struct client *client_create(const char *base_url)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->curl = curl_easy_init();
	c->base_url = xstrdup(base_url);
	c->headers = curl_slist_append(NULL, "Content-Type: application/json");
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
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
	struct buf url = { 0 };
	long status = 0;

	buf_format(&url, "%s%s", c->base_url, path);
	answer->len = 0;
	curl_easy_reset(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_URL, buf_string(&url));
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, 30000L);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	if (json) {
		curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, json);
	}
	if (curl_easy_perform(c->curl) == CURLE_OK)
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	buf_finish(&url);
	return (int)status;
}
