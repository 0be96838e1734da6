/* The job of the doctor, and its updates over every transport. */
#include <stdio.h>
#include <stdlib.h>

#include "answer.h"
#include "doctor.h"
#include "joblight/base/clock.h"
#include "probe_socket.h"

#define FIRST_MS 3000 /* for the first message of a stream */
#define EVENT_MS 2000 /* for an event; a stream that is later is held back */
#define SLOW_MS 500   /* a median above this is a warning */
#define UPDATES 5
#define HEARTBEAT_S 5 /* the shortest that a client may ask for */

static const char *const stream_headers[] = { "Accept: text/event-stream", NULL };

/* ---- the job ---- */

/* Returns the status; 0: it is not known whether the job was made. */
static int create_job(struct doctor *d)
{
	struct exchange *x = probe_job_create(&d->probe, &d->own_job, "doctor");
	int status = x->status;

	if (d->own_job.created)
		snprintf(d->job, sizeof(d->job), "%s", d->own_job.id);
	exchange_free(x);
	return status;
}

/* A job that is there, to be watched. */
static void borrow_job(struct doctor *d)
{
	struct exchange *x = probe_ask(&d->probe, "GET", "/api/jobs?limit=1", NULL);
	cJSON *root = answer_parse(buf_as_slice(&x->body));
	const cJSON *jobs = cJSON_GetObjectItemCaseSensitive(root, "jobs");
	const cJSON *first = cJSON_GetArrayItem(jobs, 0);
	const char *id = answer_text(first, "id");

	if (id && strlen(id) <= DOCTOR_JOB_MAX)
		snprintf(d->job, sizeof(d->job), "%s", id);
	cJSON_Delete(root);
	exchange_free(x);
}

static void watch_only(struct doctor *d)
{
	if (d->rights & RIGHT_WATCH)
		borrow_job(d);
	if (d->job[0])
		doctor_skip(
		    d, "without create, report and watch over doctor-* only the job %s is watched",
		    d->job);
	else
		doctor_skip(
		    d, "without create, report and watch over doctor-*, or a job to watch, streams "
		       "are not tested");
}

void doctor_check_job(struct doctor *d)
{
	const unsigned needed = RIGHT_WATCH | RIGHT_CREATE | RIGHT_REPORT;
	int status = (d->rights & needed) == needed ? create_job(d) : 403;

	if (status == 201)
		doctor_ok(d, "%s is made for the tests, and ended afterwards", d->job);
	else if (status == 403)
		watch_only(d);
	else
		doctor_report(d, VERDICT_FAIL, "see the log of the server", ADVICE_NONE,
		              "a job cannot be made: the answer is %d", status);
}

/* ---- the stream ---- */

static struct exchange *open_stream(struct doctor *d, bool zipped)
{
	char path[160];

	snprintf(path, sizeof(path), "/api/jobs/%s/task-events?heartbeat=%d", d->job, HEARTBEAT_S);
	struct request_of_probe r = { .method = "GET",
		                      .path = path,
		                      .headers = stream_headers,
		                      .zipped = zipped,
		                      .is_new = true };
	return exchange_begin(&d->probe, &r);
}

void doctor_check_compression(struct doctor *d)
{
	if (!d->job[0]) {
		doctor_skip(d, "not tested: there is no job");
		return;
	}
	struct exchange *x = open_stream(d, true);
	exchange_wait_for(x, "\"connected\"", FIRST_MS);
	struct slice coding = exchange_header(x, "content-encoding");
	if (!x->head.len)
		doctor_skip(d, "not tested: the stream is not answered");
	else if (coding.len && !slice_is(coding, "identity"))
		doctor_report(d, VERDICT_FAIL, "leave streams as they are", ADVICE_COMPRESSION,
		              "the stream is compressed with %.*s, which holds events back",
		              (int)coding.len, coding.ptr);
	else
		doctor_ok(d, "the stream is not compressed");
	exchange_free(x);
}

/* Sends an update with a note, and returns its status. */
static int send_update(struct doctor *d, const char *note, uint64_t *sent_us)
{
	char path[128], json[128];

	snprintf(path, sizeof(path), "/api/agent-hooks/task-update/%s", d->job);
	snprintf(json, sizeof(json), "{\"taskId\":\"doctor\",\"note\":\"%s\"}", note);
	*sent_us = clock_monotonic_us();
	struct exchange *x = probe_ask(&d->probe, "POST", path, json);
	int status = x->status;
	exchange_free(x);
	return status;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Returns how many updates arrived, with their times, sorted; `status`: of the last one. */
static int measure_updates(struct doctor *d, struct exchange *stream, uint64_t took_us[UPDATES],
                           int *status)
{
	uint64_t sent_us;
	char note[32];
	int count;

	for (count = 0; count < UPDATES; count++) {
		snprintf(note, sizeof(note), "update %d of %d", count + 1, UPDATES);
		*status = send_update(d, note, &sent_us);
		if (*status != 200 || !exchange_wait_for(stream, note, EVENT_MS))
			break;
		took_us[count] = clock_monotonic_us() - sent_us;
	}
	qsort(took_us, (size_t)count, sizeof(*took_us), by_size);
	return count;
}

static void report_held(struct doctor *d, const char *what)
{
	doctor_report(d, VERDICT_FAIL, "pass on at once what the server sends", ADVICE_BUFFERING,
	              "%s is held back for more than %d s", what, EVENT_MS / 1000);
}

static void report_updates(struct doctor *d, struct exchange *stream)
{
	uint64_t took_us[UPDATES] = { 0 };
	int status = 0, count = measure_updates(d, stream, took_us, &status), middle = count / 2;
	double median_ms = (double)took_us[middle] / 1000;

	if (status != 200)
		doctor_report(d, VERDICT_WARN, NULL, ADVICE_NONE,
		              "not tested: an update is answered %d", status);
	else if (stream->done)
		doctor_report(d, VERDICT_FAIL, NULL, ADVICE_IDLE,
		              "the stream is cut while it is in use");
	else if (count < UPDATES)
		report_held(d, "an event");
	else if (median_ms > SLOW_MS)
		doctor_report(d, VERDICT_WARN, "pass on at once what the server sends",
		              ADVICE_BUFFERING,
		              "an event arrives %.0f ms after its update was sent", median_ms);
	else
		doctor_ok(d,
		          "an event arrives %.1f ms after its update was sent (the slowest of %d: "
		          "%.1f ms)",
		          median_ms, UPDATES, (double)took_us[UPDATES - 1] / 1000);
}

static void report_heartbeat(struct doctor *d, struct exchange *stream)
{
	bool beats = exchange_wait_for(stream, "event: heartbeat", HEARTBEAT_S * 1000 + EVENT_MS);

	if (!beats && stream->done)
		doctor_skip(d, "not tested: the job %s has ended", d->job);
	else if (beats)
		doctor_ok(
		    d, "the first message and a heartbeat arrive in time; events are not tested");
	else
		report_held(d, "a heartbeat");
}

void doctor_check_stream(struct doctor *d)
{
	if (!d->job[0]) {
		doctor_skip(d, "not tested: there is no job");
		return;
	}
	struct exchange *x = open_stream(d, false);
	bool connected = exchange_wait_for(x, "\"connected\"", FIRST_MS);
	if (x->done && !x->status)
		doctor_report(d, VERDICT_FAIL, NULL, ADVICE_NONE, "it is not answered: %s",
		              exchange_error(x));
	else if (x->status && x->status != 200 && x->status != 204)
		doctor_report(d, VERDICT_FAIL, NULL, ADVICE_NONE, "it is answered %d", x->status);
	else if (!connected && !x->done)
		report_held(d, "the first message");
	else if (d->own_job.created)
		report_updates(d, x);
	else
		report_heartbeat(d, x);
	exchange_free(x);
}

/* ---- the WebSocket ---- */

static void report_handshake(struct doctor *d, const struct probe_socket *s)
{
	if (strcmp(d->arrival.http, "1.0") == 0)
		doctor_skip(d, "not tested: it needs HTTP/1.1 to the server, see above");
	else if (s->result != CURLE_OK)
		doctor_report(d, VERDICT_FAIL, NULL, ADVICE_NONE, "no connection: %s",
		              d->probe.library->easy_strerror(s->result));
	else
		doctor_report(d, VERDICT_FAIL, "let WebSockets through", ADVICE_UPGRADE,
		              "its handshake is answered %d instead of 101", s->status);
}

void doctor_check_websocket(struct doctor *d)
{
	struct probe_socket s;

	if (!probe_socket_open(&s, &d->probe, d->probe.answer_ms)) {
		report_handshake(d, &s);
	} else {
		uint64_t sent = clock_monotonic_us();
		probe_socket_send(&s, "{\"type\": \"ping\"}");
		if (probe_socket_wait_for(&s, "\"pong\"", EVENT_MS))
			doctor_ok(d, "it opens, and a message is answered in %.1f ms",
			          (double)(clock_monotonic_us() - sent) / 1000);
		else
			doctor_report(d, VERDICT_FAIL, "let WebSockets through", ADVICE_UPGRADE,
			              "it opens, and no message gets through");
	}
	probe_socket_close(&s);
}

/* ---- polling ---- */

bool doctor_read_cursor(struct doctor *d, char *cursor, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "/api/jobs/%s/updates", d->job);
	struct exchange *x = probe_ask(&d->probe, "GET", path, NULL);
	cJSON *root = answer_parse(buf_as_slice(&x->body));
	const char *found = answer_text(root, "cursor");
	bool ok = found && strlen(found) < size;
	if (ok)
		snprintf(cursor, size, "%s", found);
	cJSON_Delete(root);
	exchange_free(x);
	return ok;
}

void doctor_check_polling(struct doctor *d)
{
	char cursor[64], path[256];

	if (!d->own_job.created || !doctor_read_cursor(d, cursor, sizeof(cursor))) {
		doctor_skip(d, "not tested: it needs create and report");
		return;
	}
	snprintf(path, sizeof(path), "/api/jobs/%s/updates?wait=10&since=%s", d->job, cursor);
	struct request_of_probe r = { .method = "GET", .path = path, .is_new = true };
	struct exchange *x = exchange_begin(&d->probe, &r);
	bool early = exchange_wait(x, 200);
	uint64_t sent;
	send_update(d, "a poll", &sent);
	if (!early && exchange_wait(x, EVENT_MS) && x->status == 200)
		doctor_ok(d, "a waiting request is answered %.1f ms after the update was sent",
		          (double)(x->done_us - sent) / 1000);
	else
		doctor_report(d, VERDICT_FAIL, NULL, early ? ADVICE_IDLE : ADVICE_BUFFERING,
		              early ? "a waiting request is answered at once, with %d"
		                    : "the answer to a waiting request does not arrive: %d",
		              x->status);
	exchange_free(x);
}
