/* The server behind the address: its certificate, whether it answers, the key, the clock. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "answer.h"
#include "doctor.h"
#include "joblight/base/clock.h"

#define CERTIFICATE_DAYS 14 /* fewer are a warning */
#define CLOCK_S 5           /* more are a warning */
#define DAY_S 86400

/* 0: there is no such line.  The times of a certificate are in GMT. */
static time_t expiry_of(struct doctor *d, struct exchange *x)
{
	const char *const name = "Expire date:";
	struct curl_certinfo *certificates = NULL;

	d->probe.library->easy_getinfo(x->curl, CURLINFO_CERTINFO, &certificates);
	if (!certificates || certificates->num_of_certs < 1)
		return 0;
	for (const struct curl_slist *line = certificates->certinfo[0]; line; line = line->next)
		if (strncmp(line->data, name, strlen(name)) == 0)
			return d->probe.library->getdate(line->data + strlen(name), NULL);
	return 0;
}

/* Without the key, because whoever has an untrusted certificate must not get it. */
static time_t read_expiry(struct doctor *d)
{
	struct request_of_probe r = {
		.method = "GET", .path = "/healthz", .unverified = true, .is_new = true
	};
	struct exchange *x = exchange_begin(&d->probe, &r);

	exchange_wait(x, d->probe.answer_ms);
	time_t expiry = expiry_of(d, x);
	exchange_free(x);
	return expiry;
}

static void report_certificate(struct doctor *d, time_t expiry, bool trusted, const char *why)
{
	long days = (long)((expiry - time(NULL)) / DAY_S);
	const char *renew = "renew it, and reload the proxy or the server";

	if (expiry && expiry < time(NULL))
		doctor_report(d, VERDICT_FAIL, renew, ADVICE_NONE, "it expired %ld days ago",
		              -days);
	else if (!trusted)
		doctor_report(
		    d, VERDICT_FAIL,
		    "send the whole chain, with the intermediate certificates, or give --ca-file",
		    ADVICE_NONE, "it is not trusted for %s: %s", d->probe.url.host, why);
	else if (expiry && days < CERTIFICATE_DAYS)
		doctor_report(d, VERDICT_WARN, renew, ADVICE_NONE, "it expires in %ld days", days);
	else if (expiry)
		doctor_ok(d, "it is in force for another %ld days", days);
	else
		doctor_ok(d, "it is trusted");
}

void doctor_check_certificate(struct doctor *d)
{
	if (!d->probe.url.https && probe_url_is_loopback(&d->probe.url)) {
		doctor_skip(d, "there is none: the address is http, on this machine");
		return;
	}
	if (!d->probe.url.https) {
		doctor_report(d, VERDICT_WARN, "use https: anybody on the way can read keys",
		              ADVICE_NONE, "there is none: the address is http");
		return;
	}
	struct exchange *x = probe_ask(&d->probe, "GET", "/healthz", NULL);
	bool trusted = x->result != CURLE_PEER_FAILED_VERIFICATION;
	if (trusted && !x->status)
		doctor_skip(d, "no connection");
	else
		report_certificate(d, read_expiry(d), trusted, exchange_error(x));
	exchange_free(x);
}

/* A proxy may say who it is. */
static void look_for_proxy(struct doctor *d, const struct exchange *x)
{
	struct slice server = exchange_header(x, "server");

	d->proxied = d->proxied || server.len || exchange_header(x, "via").len;
	if (d->proxy == PROXY_UNKNOWN)
		d->proxy = doctor_proxy_named(server);
}

static void report_stranger(struct doctor *d, const struct exchange *x)
{
	struct slice to = exchange_header(x, "location");

	if (x->status >= 300 && x->status < 400 && to.len)
		doctor_report(d, VERDICT_FAIL, "give that address", ADVICE_NONE,
		              "%s redirects to %.*s", d->probe.url.text, (int)to.len, to.ptr);
	else if (x->status >= 502 && x->status <= 504)
		doctor_report(d, VERDICT_FAIL,
		              "start the server, or correct the address that the proxy passes to",
		              ADVICE_NONE, "the proxy answers %d: it does not reach the server",
		              x->status);
	else
		doctor_report(d, VERDICT_FAIL, "pass this path on to joblight", ADVICE_NONE,
		              "GET %s/healthz is answered %d, not by joblight", d->probe.url.text,
		              x->status);
}

void doctor_check_server(struct doctor *d)
{
	struct exchange *x = probe_ask(&d->probe, "GET", "/healthz", NULL);

	look_for_proxy(d, x);
	if (!x->done)
		doctor_report(d, VERDICT_FAIL, NULL, ADVICE_NONE, "%s does not answer within %g s",
		              d->probe.url.text, d->probe.answer_ms / 1000.0);
	else if (x->result == CURLE_PEER_FAILED_VERIFICATION)
		doctor_skip(d, "not asked: its certificate is not trusted");
	else if (!x->status)
		doctor_report(d, VERDICT_FAIL, "is it running, and is this its address?",
		              ADVICE_NONE, "%s: %s", d->probe.url.text, exchange_error(x));
	else if (x->status != 200 || !exchange_has(x, "\"status\":\"ok\""))
		report_stranger(d, x);
	else
		d->reachable = true;
	if (d->reachable)
		doctor_ok(d, "%s answers in %.1f ms", d->probe.url.text,
		          (double)(x->done_us - x->began_us) / 1000);
	exchange_free(x);
}

/* ---- the key ---- */

static void take_text(const cJSON *root, const char *name, char *out, size_t size)
{
	const char *text = answer_text(root, name);

	snprintf(out, size, "%s", text ? text : "");
}

static unsigned take_number(const cJSON *root, const char *name)
{
	double number = answer_number(root, name, 0);

	return number > 0 && number < 4e9 ? (unsigned)number : 0;
}

static void take_arrival(struct arrival *a, const struct buf *body)
{
	cJSON *root = answer_parse(buf_as_slice(body));

	take_text(root, "client", a->client, sizeof(a->client));
	take_text(root, "host", a->host, sizeof(a->host));
	take_text(root, "http", a->http, sizeof(a->http));
	take_text(root, "version", a->version, sizeof(a->version));
	a->port = take_number(root, "port");
	a->max_body = take_number(root, "maxBody");
	a->max_connections = take_number(root, "maxConnections");
	a->heartbeat_ms = take_number(root, "heartbeatMs");
	a->tls = answer_true(root, "tls");
	a->https = answer_true(root, "https");
	a->forwarded_for = answer_true(root, "forwardedFor");
	a->forwarded_proto = answer_true(root, "forwardedProto");
	a->trusted = answer_true(root, "trusted");
	a->open = answer_true(root, "open");
	cJSON_Delete(root);
}

/* Without a proxy, the server sees the port and the address of this end. */
static bool is_direct(struct doctor *d, struct exchange *x)
{
	long port = 0;
	char *ip = NULL;

	d->probe.library->easy_getinfo(x->curl, CURLINFO_LOCAL_PORT, &port);
	d->probe.library->easy_getinfo(x->curl, CURLINFO_LOCAL_IP, &ip);
	return (long)d->arrival.port == port && ip && strcmp(ip, d->arrival.client) == 0;
}

static void read_rights(struct doctor *d)
{
	struct exchange *x = probe_ask(&d->probe, "GET", "/api/session", NULL);
	cJSON *root = answer_parse(buf_as_slice(&x->body));

	d->rights = answer_rights(root);
	cJSON_Delete(root);
	exchange_free(x);
}

static void report_key(struct doctor *d)
{
	struct buf names = { 0 };

	right_describe(&names, d->rights);
	if (d->arrival.open)
		doctor_ok(d, "the server has none, and trusts whoever can reach it");
	else
		doctor_ok(d, "it may %s", buf_string(&names));
	buf_finish(&names);
}

/* The detail of a problem (RFC 9457). */
static void detail_of(const struct exchange *x, char *detail, size_t size)
{
	cJSON *root = answer_parse(buf_as_slice(&x->body));

	take_text(root, "detail", detail, size);
	cJSON_Delete(root);
}

static void report_refusal(struct doctor *d, const struct exchange *x)
{
	char detail[300];

	detail_of(x, detail, sizeof(detail));
	if (x->status == 421) {
		d->check = "Host";
		doctor_report(d, VERDICT_FAIL, NULL, ADVICE_HOST, "%s", detail);
	} else if (x->status == 401) {
		doctor_report(d, VERDICT_FAIL, "set JOBLIGHT_KEY to a key of this server",
		              ADVICE_NONE, "%s", detail);
	} else {
		doctor_report(d, VERDICT_FAIL, NULL, ADVICE_NONE,
		              "GET /api/connection is answered %d %s", x->status, detail);
	}
}

void doctor_check_key(struct doctor *d)
{
	struct exchange *x = probe_ask(&d->probe, "GET", "/api/connection", NULL);

	d->reachable = x->status == 200;
	if (d->reachable) {
		take_arrival(&d->arrival, &x->body);
		d->proxied = d->proxied || !is_direct(d, x);
		read_rights(d);
		report_key(d);
	} else {
		report_refusal(d, x);
	}
	exchange_free(x);
}

void doctor_check_clock(struct doctor *d)
{
	struct exchange *x = probe_ask(&d->probe, "GET", "/healthz", NULL);
	struct slice date = exchange_header(x, "date");
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)date.len, date.ptr ? date.ptr : "");
	time_t there = date.len ? d->probe.library->getdate(text, NULL) : -1, here = time(NULL);
	long ahead = (long)(there - here);
	if (there == -1)
		doctor_skip(d, "the answer has no Date");
	else if (labs(ahead) > CLOCK_S)
		doctor_report(d, VERDICT_WARN,
		              "let both machines keep time by NTP: tokens and links expire by it",
		              ADVICE_NONE, "that of the server is %ld s %s of the one here",
		              labs(ahead), ahead > 0 ? "ahead" : "behind");
	else
		doctor_ok(d, "it is the one here, within %d s", CLOCK_S);
	exchange_free(x);
}
