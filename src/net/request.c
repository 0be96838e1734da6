#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const char *method_text(enum method m)
{
#define METHOD_TEXT(name) #name,
	static const char *const texts[] = { METHODS(METHOD_TEXT) };
#undef METHOD_TEXT
	return texts[m];
}

void request_free(struct request *r)
{
	if (!r)
		return;
	buf_finish(&r->text);
	buf_finish(&r->body);
	free(r);
}

bool request_is_below(const struct request *r, const char *folder)
{
	size_t len = strlen(folder);

	return r->path.len > len && memcmp(r->path.ptr, folder, len) == 0;
}

/* Query arguments. */

bool request_arg(const struct request *r, const char *name, struct slice *value)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < r->arg_count; i++) {
		struct slice arg = r->args[i];
		if (arg.len < len || memcmp(arg.ptr, name, len) != 0 ||
		    (arg.len > len && arg.ptr[len] != '='))
			continue;
		*value = (struct slice){ arg.ptr + len, arg.len - len };
		if (value->len) { /* skip the equals sign */
			value->ptr++;
			value->len--;
		}
		return true;
	}
	return false;
}

bool request_number(const struct request *r, const char *name, uint64_t default_value, uint64_t min,
                    uint64_t max, uint64_t *value, struct problem *problem)
{
	struct slice text;

	*value = default_value;
	if (!request_arg(r, name, &text))
		return true;
	if (slice_number(text, SLICE_DIGITS_MAX, value) && *value >= min && *value <= max)
		return true;
	return problem_set(problem, OUTCOME_BAD_REQUEST,
	                   "%s must be a whole number from %llu to %llu", name,
	                   (unsigned long long)min, (unsigned long long)max);
}

/* Answers. */

const char *http_date(void)
{
	static _Thread_local char text[40];
	static _Thread_local time_t at;
	time_t now = time(NULL);
	struct tm utc;

	if (now != at) {
		at = now;
		gmtime_r(&now, &utc);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc);
	}
	return text;
}

const char *http_refusal_lines(enum outcome o)
{
	if (o == OUTCOME_METHOD_NOT_ALLOWED)
		return "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
	if (o == OUTCOME_UNAUTHORIZED)
		return "WWW-Authenticate: Bearer\r\n";
	return o == OUTCOME_UPGRADE_REQUIRED ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	                                     : "";
}

void http_retry_after(const struct problem *p, char line[HTTP_RETRY_MAX])
{
	unsigned s = (p->wait_ms + 999) / 1000;

	line[0] = '\0';
	if (outcome_status(p->outcome) == 503 || outcome_status(p->outcome) == 429)
		snprintf(line, HTTP_RETRY_MAX, "Retry-After: %u\r\n", s ? s : 1);
}
