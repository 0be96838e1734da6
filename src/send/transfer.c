#include "transfer.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "headers.h"

/* Sockets. */

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = context;

	if (purpose != CURLSOCKTYPE_IPCXN ||
	    !networks_may_connect(&t->options->allowed, &a->addr)) {
		networks_format(&a->addr, t->refused);
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Answers. */

static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
	struct transfer *t = context;

	if (t->answer.len + size * count > TRANSFER_ANSWER_MAX)
		return 0; /* ends the transfer */
	buf_add(&t->answer, bytes, size * count);
	return size * count;
}

/* A number may be a string in JSON made from a protocol buffer. */
static uint64_t number_of(const cJSON *value)
{
	if (cJSON_IsString(value))
		return strtoull(value->valuestring, NULL, 10);
	return cJSON_IsNumber(value) && value->valuedouble > 0 ? (uint64_t)value->valuedouble : 0;
}

/* {"partialSuccess":{"rejectedSpans":"1","errorMessage":"…"}} */
static void read_answer(const struct transfer *t, struct transfer_result *result)
{
	cJSON *root = cJSON_ParseWithLength(t->answer.ptr, t->answer.len);
	const cJSON *partial = cJSON_GetObjectItemCaseSensitive(root, "partialSuccess");
	const char *cause = cJSON_GetStringValue(
	    cJSON_GetObjectItemCaseSensitive(partial, "errorMessage"));

	result->rejected = number_of(cJSON_GetObjectItemCaseSensitive(partial, "rejectedSpans"));
	snprintf(result->cause, sizeof(result->cause), "%s", cause ? cause : "");
	cJSON_Delete(root);
}

static void read_status(struct transfer *t, struct transfer_result *result)
{
	long status = 0;
	curl_off_t retry_after = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (status >= 200 && status < 300) {
		result->verdict = TRANSFER_SENT;
		read_answer(t, result);
		return;
	}
	bool again = status == 429 || status == 502 || status == 503 || status == 504;
	result->verdict = again ? TRANSFER_RETRY : TRANSFER_REFUSED;
	result->asked_ms = retry_after > 0 ? (uint64_t)retry_after * 1000 : 0;
	snprintf(result->cause, sizeof(result->cause), "the receiver answered %ld%s", status,
	         status >= 300 && status < 400 ? ", and redirects are not followed" : "");
}

static void read_error(const struct transfer *t, CURLcode code, struct transfer_result *result)
{
	result->verdict = TRANSFER_RETRY;
	if (t->refused[0])
		snprintf(result->cause, sizeof(result->cause),
		         "%s is a private address; allow its network with --send-allow",
		         t->refused);
	else if (code == CURLE_WRITE_ERROR)
		snprintf(result->cause, sizeof(result->cause), "the answer is longer than %d bytes",
		         TRANSFER_ANSWER_MAX);
	else
		snprintf(result->cause, sizeof(result->cause), "%s",
		         t->error[0] ? t->error : curl_easy_strerror(code));
}

/* Requests. */

void transfer_init(struct transfer *t, const struct options *options)
{
	*t = (struct transfer){ .options = options,
		                .multi = curl_multi_init(),
		                .easy = curl_easy_init() };
	if (!t->multi || !t->easy) {
		fputs("joblight-send: libcurl cannot be set up, or has no memory\n", stderr);
		abort();
	}
}

static void set_options(struct transfer *t, struct slice body)
{
	CURL *easy = t->easy;

	curl_easy_reset(easy);
	curl_easy_setopt(easy, CURLOPT_URL, t->options->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)TRANSFER_CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TRANSFER_MS);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "joblight/" JOBLIGHT_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.ptr);
	if (t->options->ca)
		curl_easy_setopt(easy, CURLOPT_CAINFO, t->options->ca);
}

bool transfer_begin(struct transfer *t, struct slice body, struct transfer_result *result)
{
	*result = (struct transfer_result){ .verdict = TRANSFER_RETRY };
	headers_free(t->headers);
	t->headers = curl_slist_append(NULL, "Content-Type: application/json");
	t->headers = curl_slist_append(t->headers, "Expect:");
	t->answer.len = 0;
	t->refused[0] = t->error[0] = '\0';
	if (!headers_read(t->options->headers, &t->headers, result->cause, sizeof(result->cause)))
		return false;
	set_options(t, body);
	t->busy = curl_multi_add_handle(t->multi, t->easy) == CURLM_OK;
	return t->busy;
}

bool transfer_step(struct transfer *t, struct transfer_result *result)
{
	int running, left;
	CURLMsg *message;

	curl_multi_perform(t->multi, &running);
	message = curl_multi_info_read(t->multi, &left);
	if (!message || message->msg != CURLMSG_DONE)
		return false;
	CURLcode code = message->data.result;
	*result = (struct transfer_result){ 0 };
	if (code == CURLE_OK)
		read_status(t, result);
	else
		read_error(t, code, result);
	curl_multi_remove_handle(t->multi, t->easy);
	t->busy = false;
	return true;
}
