#include "curl_request.h"

#include <stdlib.h>

#define CONNECT_TIMEOUT_MS 10000L

static const char *given_or_null(const char *text)
{
	return text && text[0] ? text : NULL;
}

const char *curl_request_ca_file(const char *given)
{
	if (!given)
		given = given_or_null(getenv("CURL_CA_BUNDLE"));
	return given ? given : given_or_null(getenv("SSL_CERT_FILE"));
}

void curl_request_set(const struct curl_library *library, CURL *curl, const char *url,
                      const char *ca_file)
{
	library->easy_setopt(curl, CURLOPT_URL, url);
	library->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	library->easy_setopt(curl, CURLOPT_USERAGENT, "joblight/" JOBLIGHT_VERSION);
	library->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	library->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	if (ca_file)
		library->easy_setopt(curl, CURLOPT_CAINFO, ca_file);
}

struct curl_slist *curl_request_add_key(const struct curl_library *library,
                                        struct curl_slist *headers, const char *key)
{
	struct buf line = { 0 };

	if (!key)
		return headers;
	buf_format(&line, "Authorization: Bearer %s", key);
	headers = library->slist_append(headers, buf_string(&line));
	explicit_bzero(line.ptr, line.len);
	buf_finish(&line);
	return headers;
}

enum call_end curl_request_end(CURLcode result)
{
	switch (result) {
	case CURLE_OK:
		return CALL_ANSWERED;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return CALL_NOT_CONNECTED;
	case CURLE_OPERATION_TIMEDOUT:
		return CALL_TIMED_OUT;
	default:
		return CALL_LOST;
	}
}
