#include "client.h"

#include <stdlib.h>
#include <strings.h>

#include "curl_request.h"
#include "joblight/base/xalloc.h"

#define SEND_TIMEOUT_MS 30000
#define BODY_MAX (64u << 20) /* of an answer that is not a stream */

struct client {
	const struct curl_library *library;
	CURL *curl;
	char *base_url, *socket, *ca_file;
	bool direct;
	struct curl_slist *headers, *headers_of_json;
	CURLcode result;
	char error[CURL_ERROR_SIZE];
	const struct client_reader *reader; /* of client_read() */
	struct call_answer *answer;         /* of the request that is under way */
};

static void take_url(struct client *c, const char *url)
{
	if (strncmp(url, "unix:", 5) == 0) {
		c->socket = xstrdup(url + 5);
		url = "http://localhost";
	}
	c->base_url = xstrdup(url);
}

struct client *client_create(const struct client_options *options)
{
	const struct curl_library *library = curl_library();
	struct client *c;

	if (!library)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->library = library;
	c->curl = library->easy_init();
	take_url(c, options->url);
	const char *ca_file = curl_request_ca_file(options->ca_file);
	c->ca_file = ca_file ? xstrdup(ca_file) : NULL;
	c->direct = options->direct || c->socket;
	c->headers_of_json = library->slist_append(NULL, "Content-Type: application/json");
	c->headers = curl_request_add_key(library, NULL, options->key);
	c->headers_of_json = curl_request_add_key(library, c->headers_of_json, options->key);
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
	free(c->socket);
	free(c->ca_file);
	free(c);
}

/* ---- what libcurl calls ---- */

static bool is_stream(const struct client *c)
{
	long status = 0;

	c->library->easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	return c->reader && status == 200;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct client *c = context;
	size_t len = size * count;

	if (is_stream(c))
		return c->reader->take(c->reader->context, (struct slice){ bytes, len }) ? len : 0;
	if (c->answer->body.len + len > BODY_MAX)
		return 0;
	buf_add(&c->answer->body, bytes, len);
	return len;
}

/* Retry-After in seconds: RFC 9110 section 10.2.3.  A date is not obeyed. */
static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
	static const char name[] = "Retry-After:";
	struct client *c = context;
	struct slice line = { bytes, size * count };
	uint64_t seconds;

	if (line.len > sizeof(name) && strncasecmp(line.ptr, name, sizeof(name) - 1) == 0) {
		struct slice value = { line.ptr + sizeof(name) - 1, line.len - sizeof(name) + 1 };
		while (value.len &&
		       (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r'))
			value.len--;
		if (slice_number(slice_trimmed(value), 6, &seconds))
			c->answer->retry_after_ms = (int64_t)seconds * 1000;
	}
	return line.len;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t e)
{
	struct client *c = context;

	(void)a;
	(void)b;
	(void)d;
	(void)e;
	return c->reader && !c->reader->idle(c->reader->context);
}

/* ---- requests ---- */

static void set_place(struct client *c)
{
	const struct curl_library *library = c->library;

	if (c->socket && c->socket[0] == '@')
		library->easy_setopt(c->curl, CURLOPT_ABSTRACT_UNIX_SOCKET, c->socket + 1);
	else if (c->socket)
		library->easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	if (c->direct)
		library->easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
}

static void set_request(struct client *c, const char *url)
{
	const struct curl_library *library = c->library;

	library->easy_reset(c->curl);
	curl_request_set(library, c->curl, url, c->ca_file);
	library->easy_setopt(c->curl, CURLOPT_PATH_AS_IS, 1L);
	library->easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_body);
	library->easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	library->easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, take_header);
	library->easy_setopt(c->curl, CURLOPT_HEADERDATA, c);
	library->easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	library->easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
	library->easy_setopt(c->curl, CURLOPT_NOPROGRESS, c->reader ? 0L : 1L);
	library->easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->error);
	set_place(c);
}

/* The status is set, too, when a stream was abandoned or cut. */
static void perform(struct client *c, struct call_answer *answer)
{
	long status = 0;

	answer->retry_after_ms = 0;
	answer->body.len = 0;
	c->answer = answer;
	c->error[0] = '\0';
	c->result = c->library->easy_perform(c->curl);
	c->library->easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	answer->end = curl_request_end(c->result);
	answer->status = c->result == CURLE_OK || c->reader ? (int)status : 0;
	c->answer = NULL;
}

static struct curl_slist *headers_of(const struct client *c, const struct call *call,
                                     struct curl_slist **own)
{
	struct curl_slist *common = call->json ? c->headers_of_json : c->headers;
	struct buf line = { 0 };

	*own = NULL;
	if (!call->idempotency_key)
		return common;
	for (const struct curl_slist *at = common; at; at = at->next)
		*own = c->library->slist_append(*own, at->data);
	buf_format(&line, "Idempotency-Key: %s", call->idempotency_key);
	*own = c->library->slist_append(*own, buf_string(&line));
	buf_finish(&line);
	return *own;
}

void client_call(struct client *c, const struct call *call, struct call_answer *answer)
{
	const struct curl_library *library = c->library;
	struct curl_slist *own, *headers = headers_of(c, call, &own);
	struct buf url = { 0 };

	buf_format(&url, "%s%s", c->base_url, call->path);
	set_request(c, buf_string(&url));
	library->easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, call->method);
	library->easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	library->easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	if (call->json)
		library->easy_setopt(c->curl, CURLOPT_POSTFIELDS, call->json);
	else if (strcmp(call->method, "POST") == 0)
		library->easy_setopt(c->curl, CURLOPT_POSTFIELDS, "");
	perform(c, answer);
	library->slist_free_all(own);
	buf_finish(&url);
}

int client_send(struct client *c, const char *method, const char *path, const char *json,
                struct buf *body)
{
	struct call call = { method, path, json, NULL, SEND_TIMEOUT_MS };
	struct call_answer answer = { .body = *body };

	client_call(c, &call, &answer);
	*body = answer.body;
	return answer.status;
}

void client_read(struct client *c, const char *path, const struct client_reader *reader,
                 struct call_answer *answer)
{
	struct buf url = { 0 };

	c->reader = reader;
	buf_format(&url, "%s%s", c->base_url, path);
	set_request(c, buf_string(&url));
	c->library->easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
	perform(c, answer);
	c->reader = NULL;
	buf_finish(&url);
}

static size_t give_body(char *bytes, size_t size, size_t count, void *context)
{
	const struct client_upload *upload = context;
	int64_t len = upload->give(upload->context, bytes, size * count);

	return len < 0 ? CURL_READFUNC_ABORT : (size_t)len;
}

static struct curl_slist *headers_of_upload(const struct client *c,
                                            const struct client_upload *upload)
{
	struct curl_slist *headers = NULL;
	struct buf type = { 0 };

	for (const struct curl_slist *at = c->headers; at; at = at->next)
		headers = c->library->slist_append(headers, at->data);
	buf_format(&type, "Content-Type: %s", upload->type);
	headers = c->library->slist_append(headers, buf_string(&type));
	buf_finish(&type);
	return c->library->slist_append(headers, "Transfer-Encoding: chunked");
}

void client_send_stream(struct client *c, const char *path, const struct client_upload *upload,
                        const struct client_reader *reader, struct call_answer *answer)
{
	const struct curl_library *library = c->library;
	struct curl_slist *headers = headers_of_upload(c, upload);
	struct buf url = { 0 };

	c->reader = reader;
	buf_format(&url, "%s%s", c->base_url, path);
	set_request(c, buf_string(&url));
	library->easy_setopt(c->curl, CURLOPT_POST, 1L);
	library->easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	library->easy_setopt(c->curl, CURLOPT_READFUNCTION, give_body);
	library->easy_setopt(c->curl, CURLOPT_READDATA, upload);
	perform(c, answer);
	c->reader = NULL;
	library->slist_free_all(headers);
	buf_finish(&url);
}

const char *client_error(const struct client *c)
{
	if (c->result == CURLE_OK)
		return "";
	return c->error[0] ? c->error : c->library->easy_strerror(c->result);
}
