/* What a proxy tells the server, and what it lets through. */
#include <stdio.h>
#include <stdlib.h>

#include "doctor.h"
#include "joblight/base/xalloc.h"

#define BODY_MAX (16u * 1024 * 1024) /* the largest --max-body */

void doctor_check_host(struct doctor *d)
{
	if (probe_url_is_host(&d->probe.url, d->arrival.host))
		doctor_ok(d, "%s arrives as it is", d->probe.url.authority);
	else
		doctor_report(
		    d, VERDICT_FAIL, "pass it on unchanged", ADVICE_HOST,
		    "the server gets \"%s\" instead of \"%s\", and takes pages for those of "
		    "another site",
		    d->arrival.host, d->probe.url.authority);
}

void doctor_check_http(struct doctor *d)
{
	struct exchange *x = probe_ask(&d->probe, "GET", "/healthz", NULL);
	long version = 0;

	d->probe.library->easy_getinfo(x->curl, CURLINFO_HTTP_VERSION, &version);
	bool is_new = version >= CURL_HTTP_VERSION_2_0;
	if (is_new)
		doctor_ok(d, "%s", version == CURL_HTTP_VERSION_2_0 ? "HTTP/2" : "HTTP/3");
	else if (!d->probe.url.https)
		doctor_ok(d, "HTTP/1.1; browsers speak HTTP/2 over https only");
	else if (d->proxied)
		doctor_report(
		    d, VERDICT_WARN, "speak HTTP/2", ADVICE_HTTP_2,
		    "HTTP/1.1: a browser opens six connections to it, for all tabs together");
	else
		doctor_report(
		    d, VERDICT_WARN, "put a proxy before it, see docs/proxy.md", ADVICE_NONE,
		    "HTTP/1.1: a browser opens six connections to it, for all tabs together");
	exchange_free(x);
}

static bool speaks_1_0(const struct doctor *d)
{
	return strcmp(d->arrival.http, "1.0") == 0;
}

void doctor_check_upstream(struct doctor *d)
{
	if (speaks_1_0(d))
		doctor_report(d, VERDICT_FAIL, "speak HTTP/1.1", ADVICE_UPSTREAM,
		              "HTTP/1.0: it has no WebSockets, and a connection for each request");
	else
		doctor_ok(d, "HTTP/%s", d->arrival.http);
}

void doctor_check_client(struct doctor *d)
{
	const struct arrival *a = &d->arrival;
	char change[128];

	snprintf(change, sizeof(change), "start joblight with --trusted-proxy %s", a->client);
	if (!d->proxied)
		doctor_ok(d, "no proxy: the server sees %s", a->client);
	else if (!a->forwarded_for)
		doctor_report(
		    d, VERDICT_WARN, NULL, ADVICE_FORWARDED_FOR,
		    "the server does not get it: limits and the audit log take all clients for %s",
		    a->client);
	else if (!a->trusted)
		doctor_report(
		    d, VERDICT_WARN, change, ADVICE_NONE,
		    "the server does not believe it: limits and the audit log take all clients "
		    "for %s",
		    a->client);
	else
		doctor_ok(d, "the server sees %s", a->client);
}

void doctor_check_https(struct doctor *d)
{
	const struct arrival *a = &d->arrival;

	if (!d->probe.url.https)
		doctor_skip(d, "the address is http");
	else if (a->https)
		doctor_ok(d, "the server knows that it is https");
	else if (a->forwarded_proto)
		doctor_skip(
		    d, "the server does not believe it, as it does not believe X-Forwarded-For");
	else
		doctor_report(d, a->open ? VERDICT_WARN : VERDICT_FAIL, NULL,
		              ADVICE_FORWARDED_PROTO,
		              "the server does not get it: it lets nobody log in over http");
}

/* ---- bodies ---- */

/* An update with so many spaces after it that the body is as large as the server takes it. */
static char *large_update(size_t size)
{
	static const char update[] = "{\"taskId\":\"doctor\",\"note\":\"a body\"}";
	size_t len = sizeof(update) - 1;
	char *body = xmalloc(size > len ? size : len);

	memset(body, ' ', size);
	memcpy(body, update, len);
	return body;
}

static void report_body(struct doctor *d, const struct exchange *x, unsigned size)
{
	if (x->status == 200)
		doctor_ok(d, "%u bytes get through, which is the most that the server takes", size);
	else if (x->status == 413)
		doctor_report(d, VERDICT_FAIL, "allow as much as the server", ADVICE_BODY,
		              "the proxy does not take the %u bytes that the server takes", size);
	else if (x->status)
		doctor_report(d, VERDICT_WARN, NULL, ADVICE_NONE, "one of %u bytes is answered %d",
		              size, x->status);
	else
		doctor_report(d, VERDICT_WARN, NULL, ADVICE_NONE,
		              "one of %u bytes is not answered: %s", size,
		              x->done ? exchange_error(x) : "too slow");
}

void doctor_check_body(struct doctor *d)
{
	unsigned size = d->arrival.max_body < BODY_MAX ? d->arrival.max_body : BODY_MAX;
	char path[128];

	if (!d->own_job.created) {
		doctor_skip(d, "not tested: it needs create and report");
		return;
	}
	char *body = large_update(size);
	snprintf(path, sizeof(path), "/api/agent-hooks/task-update/%s", d->job);
	struct request_of_probe r = { .method = "POST", .path = path, .body = { body, size } };
	struct exchange *x = exchange_begin(&d->probe, &r);
	exchange_wait(x, 3 * d->probe.answer_ms);
	report_body(d, x, size);
	exchange_free(x);
	free(body);
}
