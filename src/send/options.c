#include "options.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "headers.h"
#include "joblight/base/xalloc.h"

static char *take_text(const cJSON *root, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, name));

	return text ? xstrdup(text) : NULL;
}

static bool take_networks(const cJSON *list, struct networks *n, char *error, size_t error_len)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		const char *text = cJSON_GetStringValue(item);
		if (text && networks_add(n, text))
			continue;
		snprintf(error, error_len, "\"%s\" is no address or network", text ? text : "");
		return false;
	}
	return true;
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

static bool is_web(const char *url)
{
	return url && (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0);
}

/* A name is looked at when it is connected to. */
static bool is_reachable(CURLU *url, const struct networks *allowed)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = { .v6 = { .sin6_family = AF_INET6 } };
	char *host = NULL;
	bool ok = true;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return true;
	size_t len = strlen(host);
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		ok = inet_pton(AF_INET6, host + 1, &a.v6.sin6_addr) != 1 ||
		     networks_may_connect(allowed, &a.any);
	} else if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		ok = networks_may_connect(allowed, &a.any);
	}
	curl_free(host);
	return ok;
}

static const char *fault_of(CURLU *url, const struct networks *allowed)
{
	if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD) ||
	    has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
		return "the URL must have no user, password, query or fragment: everybody can see "
		       "it, and a secret belongs into the file of headers";
	if (!is_reachable(url, allowed))
		return "the address is private; allow its network with --send-allow";
	return NULL;
}

static bool check_url(const struct options *o, char *error, size_t error_len)
{
	if (!is_web(o->url)) {
		snprintf(error, error_len, "the URL must begin with http:// or https://");
		return false;
	}
	CURLU *url = curl_url();
	CURLUcode code = curl_url_set(url, CURLUPART_URL, o->url, 0);
	const char *fault = code != CURLUE_OK ? curl_url_strerror(code)
	                                      : fault_of(url, &o->allowed);

	curl_url_cleanup(url);
	if (fault)
		snprintf(error, error_len, "%s%s", code != CURLUE_OK ? "this is not a URL: " : "",
		         fault);
	return !fault;
}

static bool check_files(const struct options *o, char *error, size_t error_len)
{
	struct curl_slist *list = NULL;
	bool ok = headers_read(o->headers, &list, error, error_len);

	headers_free(list);
	if (!ok || !o->ca || access(o->ca, R_OK) == 0)
		return ok;
	snprintf(error, error_len, "%s cannot be read", o->ca);
	return false;
}

bool options_read(struct options *o, struct slice json, char *error, size_t error_len)
{
	cJSON *root = cJSON_ParseWithLength(json.ptr, json.len);

	*o = (struct options){ .url = take_text(root, "url"),
		               .headers = take_text(root, "headers"),
		               .ca = take_text(root, "ca") };
	bool ok = take_networks(cJSON_GetObjectItemCaseSensitive(root, "allow"), &o->allowed, error,
	                        error_len) &&
	          check_url(o, error, error_len) && check_files(o, error, error_len);
	cJSON_Delete(root);
	return ok;
}

void options_finish(struct options *o)
{
	free(o->url);
	free(o->headers);
	free(o->ca);
}
