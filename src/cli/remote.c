#include "remote.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "answer.h"
#include "curl_library.h"
#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/model.h"
#include "output.h"
#include "probe_url.h"
#include "text_check.h"

#define FIRST_PAUSE_MS 250
#define PAUSE_MAX_MS 30000
#define KEY_FILE_MAX 16384 /* bytes; a token of an identity provider has 8 KiB at most */

static const char *given(const char *text)
{
	return text && text[0] ? text : NULL;
}

const char *remote_url(const struct arguments *a)
{
	const char *flag = given(arguments_value(a, "url"));

	return flag ? flag : given(getenv("JOBLIGHT_URL"));
}

/* ---- the settings ---- */

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static const char *unix_fault(const char *url)
{
	return url[strlen("unix:/")] ? NULL : "the name of the socket is missing";
}

static int take_url(struct remote *r, const char *url)
{
	if (!begins_with(url, "http://") && !begins_with(url, "https://") &&
	    !begins_with(url, "unix:/") && !begins_with(url, "unix:@"))
		return arguments_fault(
		    "--url", url,
		    "it takes an address such as http://127.0.0.1:3001 or unix:/PATH");
	size_t len = strlen(url);
	bool is_unix = begins_with(url, "unix:");
	const char *fault = is_unix ? unix_fault(url) : probe_url_fault(url);
	if (fault) { /* the address may have a password */
		fprintf(stderr, "joblight: --url, or JOBLIGHT_URL: %s\n", fault);
		return EXIT_USAGE;
	}
	while (!is_unix && url[len - 1] == '/')
		len--;
	r->url = xmemdup(url, len);
	return EXIT_OK;
}

/* The first line of the file. */
static int read_key_file(struct remote *r, const char *name)
{
	char line[KEY_FILE_MAX];
	FILE *file = fopen(name, "re");
	bool ok = file && fgets(line, sizeof(line), file);

	if (!ok)
		fprintf(stderr, "joblight: --key-file %s: %s\n", name,
		        file && !ferror(file) ? "it is empty" : strerror(errno));
	if (file)
		fclose(file);
	if (!ok)
		return EXIT_FAILED;
	line[strcspn(line, "\r\n")] = '\0';
	r->key = xstrdup(line);
	explicit_bzero(line, sizeof(line));
	return EXIT_OK;
}

static int take_key(struct remote *r, const char *file)
{
	const char *key = given(getenv("JOBLIGHT_KEY"));
	int status = file ? read_key_file(r, file) : EXIT_OK;

	if (!file && key)
		r->key = xstrdup(key);
	if (r->key && (!r->key[0] || !text_visible(r->key))) {
		fprintf(stderr, "joblight: %s is not a key\n",
		        file ? "the first line of --key-file" : "JOBLIGHT_KEY");
		return EXIT_USAGE;
	}
	return status;
}

static int take_settings(struct remote *r, const struct arguments *a, const char *url)
{
	const char *timeout = arguments_value(a, "timeout");
	const char *ca_file = given(arguments_value(a, "ca-file"));

	if (!arguments_time(timeout ? timeout : a->verb->timeout, &r->timeout_ms))
		return arguments_fault("--timeout", timeout, "it takes a time such as 30s");
	r->ca_file = ca_file ? xstrdup(ca_file) : NULL;
	int status = take_url(r, url);
	return status == EXIT_OK ? take_key(r, given(arguments_value(a, "key-file"))) : status;
}

int remote_read_settings(struct remote *r, const struct arguments *a)
{
	const char *url = remote_url(a);

	return remote_read_settings_of(r, a, url ? url : REMOTE_URL_DEFAULT);
}

int remote_read_settings_of(struct remote *r, const struct arguments *a, const char *url)
{
	*r = (struct remote){ 0 };
	int status = take_settings(r, a, url);
	if (status != EXIT_OK)
		remote_close(r);
	return status;
}

bool remote_connect(struct remote *r)
{
	r->client = client_create(&(struct client_options){ r->url, r->key, r->ca_file, false });
	return r->client != NULL;
}

int remote_connect_or_say(struct remote *r)
{
	if (remote_connect(r))
		return EXIT_OK;
	fprintf(stderr, "joblight: %s\n", curl_library_error());
	remote_close(r);
	return EXIT_FAILED;
}

int remote_open(struct remote *r, const struct arguments *a)
{
	int status = remote_read_settings(r, a);

	return status == EXIT_OK ? remote_connect_or_say(r) : status;
}

void remote_close(struct remote *r)
{
	client_free(r->client);
	if (r->key)
		explicit_bzero(r->key, strlen(r->key));
	free(r->key);
	free(r->url);
	free(r->ca_file);
	*r = (struct remote){ 0 };
}

/* ---- how a request ends ---- */

int remote_status(const struct call_answer *answer)
{
	switch (answer->end) {
	case CALL_NOT_CONNECTED:
	case CALL_LOST:
		return EXIT_UNREACHABLE;
	case CALL_TIMED_OUT:
		return EXIT_TIMEOUT;
	default:
		break;
	}
	if (answer->status >= 200 && answer->status < 300)
		return EXIT_OK;
	if (answer->status == 401 || answer->status == 403)
		return EXIT_REFUSED;
	if (answer->status == 404 || answer->status == 410)
		return EXIT_NOT_FOUND;
	return remote_may_repeat(answer, false) ? EXIT_TIMEOUT : EXIT_REJECTED;
}

/* After 429 nothing was done; after a 5xx nobody knows. */
bool remote_may_repeat(const struct call_answer *answer, bool once)
{
	if (answer->end != CALL_ANSWERED)
		return !once || answer->end == CALL_NOT_CONNECTED;
	if (once)
		return answer->status == 429;
	return answer->status >= 500 || answer->status == 408 || answer->status == 425 ||
	       answer->status == 429;
}

int64_t remote_pause_ms(unsigned again, int64_t retry_after_ms)
{
	int64_t most = again > 7 ? PAUSE_MAX_MS : (int64_t)FIRST_PAUSE_MS << again;

	most = most > PAUSE_MAX_MS ? PAUSE_MAX_MS : most;
	int64_t pause = most / 2 + (int64_t)(random_u64() % (uint64_t)(most / 2 + 1));
	return retry_after_ms > 0 ? retry_after_ms + (int64_t)(random_u64() % 250) : pause;
}

void remote_problem_code(const struct buf *body, char *code, size_t size)
{
	cJSON *root = answer_parse(buf_as_slice(body));
	const char *text = answer_text(root, "code");

	snprintf(code, size, "%s", text ? text : "");
	cJSON_Delete(root);
}

/* The detail of a problem (RFC 9457), or the status. */
void remote_print_problem(const struct remote *r, const struct call_answer *answer)
{
	cJSON *root = answer_parse(buf_as_slice(&answer->body));
	const char *detail = answer_text(root, "detail");

	if (answer->end != CALL_ANSWERED)
		output_error(r->url, client_error(r->client));
	else if (detail)
		output_error(r->url, detail);
	else
		fprintf(stderr, "joblight: %s: the answer was %d\n", r->url, answer->status);
	if (answer->status == 401 && !r->key)
		fputs("Set JOBLIGHT_KEY to a key of this server.\n", stderr);
	cJSON_Delete(root);
}

int remote_is_foreign(const struct remote *r)
{
	fprintf(stderr, "joblight: %s is not a joblight server\n", r->url);
	return EXIT_FAILED;
}

int remote_print_answer(const struct remote *r, const struct buf *body)
{
	cJSON *root = answer_parse(buf_as_slice(body));
	bool is_json = root != NULL;

	cJSON_Delete(root);
	if (!is_json)
		return remote_is_foreign(r);
	output_line(answer_line(body));
	return EXIT_OK;
}

/* ---- asking ---- */

void remote_make_key(char key[IDEMPOTENCY_KEY_LEN + 1])
{
	snprintf(key, IDEMPOTENCY_KEY_LEN + 1, "%016llx%016llx", (unsigned long long)random_u64(),
	         (unsigned long long)random_u64());
}

static void sleep_ms(int64_t ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* False: there is no time for another one.  The first pause is told to a person who waits. */
static bool wait_for_next(const struct remote *r, const struct call_answer *answer, unsigned again,
                          uint64_t end)
{
	uint64_t now = clock_monotonic_ms();
	int64_t pause = remote_pause_ms(again, answer->retry_after_ms);

	if (now + (uint64_t)pause >= end)
		return false;
	if (again == 2) {
		remote_print_problem(r, answer);
		fprintf(stderr, "joblight: trying again for %lld s\n",
		        (long long)(end - now) / 1000);
	}
	sleep_ms(pause);
	return true;
}

static bool is_problem(const struct call_answer *answer, const char *code)
{
	char own[40];

	remote_problem_code(&answer->body, own, sizeof(own));
	return strcmp(own, code) == 0;
}

/* Sends it until it is answered, or until there is no time left. */
static int ask(struct remote *r, const struct remote_call *call, struct buf *body)
{
	uint64_t end = clock_monotonic_ms() + (uint64_t)r->timeout_ms;
	char key[IDEMPOTENCY_KEY_LEN + 1];
	struct call c = { call->method, call->path, call->json, call->idempotency_key, 0 };
	struct call_answer answer = { .body = *body };
	int64_t left;

	if (!c.idempotency_key && !call->once && strcmp(call->method, "GET") != 0) {
		remote_make_key(key);
		c.idempotency_key = key;
	}
	for (unsigned again = 0;; again++) {
		left = (int64_t)(end - clock_monotonic_ms());
		c.timeout_ms = left < 1 || left > REMOTE_ATTEMPT_MS ? REMOTE_ATTEMPT_MS : left;
		client_call(r->client, &c, &answer);
		if (!remote_may_repeat(&answer, call->once) ||
		    !wait_for_next(r, &answer, again, end))
			break;
	}
	*body = answer.body;
	int status = call->ignored_code && is_problem(&answer, call->ignored_code)
	                 ? EXIT_OK
	                 : remote_status(&answer);
	if (status != EXIT_OK)
		remote_print_problem(r, &answer);
	return status;
}

int remote_ask(struct remote *r, const struct remote_call *call, struct buf *body)
{
	const char *key = call->idempotency_key;

	if (!key || key_valid(slice_of(key)))
		return ask(r, call, body);
	return arguments_fault("--idempotency-key", key,
	                       "it takes 1 to 255 visible ASCII characters");
}

void remote_add_segment(struct buf *path, const char *text)
{
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			buf_char(path, *text);
		else
			buf_format(path, "%%%02X", (unsigned char)*text);
}
