#include "reporter.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "curl_library.h"
#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"

#define PACE_MS 250       /* between two reports of progress */
#define BEAT_MS 60000     /* a task without progress is reported again after this */
#define SILENCE_MS 180000 /* after this, the server shows that the reporter is gone */
#define PAUSE_MAX_MS 5000 /* so that the page is up to date soon after an outage */
#define ATTEMPT_MS 10000  /* of one request */

struct reporter {
	struct remote *remote;
	struct reporter_task task;
	pthread_t thread;
	int done_fd;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	double percent;     /* -1: not known */
	const char *status; /* of the task; NULL: in progress */
	char *note;
	uint64_t end_ms; /* clock_monotonic_ms() when the last report is given up; 0: not yet */
	bool delivered;
	bool met; /* of the reporter's thread: the server has answered */
	char trouble[512];
};

/* What is sent, taken under the lock. */
struct report {
	double percent;
	const char *status;
	const char *note; /* does not change after the status is set */
};

/* ---- the lock ---- */

static void set_trouble(struct reporter *r, const char *text)
{
	pthread_mutex_lock(&r->lock);
	snprintf(r->trouble, sizeof(r->trouble), "%s", text);
	pthread_mutex_unlock(&r->lock);
}

static struct timespec moment(uint64_t monotonic_ms)
{
	return (struct timespec){ (time_t)(monotonic_ms / 1000),
		                  (long)(monotonic_ms % 1000) * 1000000 };
}

static struct report take_report(struct reporter *r)
{
	pthread_mutex_lock(&r->lock);
	struct report now = { r->percent, r->status, r->note };
	pthread_mutex_unlock(&r->lock);
	return now;
}

/* Waits for a pause, or until the end when it comes meanwhile. */
static void pause_until(struct reporter *r, uint64_t until_ms, bool end_wakes)
{
	struct timespec at = moment(until_ms);

	pthread_mutex_lock(&r->lock);
	while (!(end_wakes && r->status) &&
	       pthread_cond_timedwait(&r->changed, &r->lock, &at) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&r->lock);
}

/* Waits until there is something else to report than `last`, or the beat is due. */
static void wait_for_change(struct reporter *r, const struct report *last)
{
	struct timespec at = moment(clock_monotonic_ms() + BEAT_MS);
	int result = 0;

	pthread_mutex_lock(&r->lock);
	while (!r->status && r->percent <= last->percent && result != ETIMEDOUT)
		result = pthread_cond_timedwait(&r->changed, &r->lock, &at);
	pthread_mutex_unlock(&r->lock);
}

/* ---- one request ---- */

/* How long the next attempt may take; 0: it is too late. */
static int64_t time_left_ms(struct reporter *r)
{
	int64_t left = ATTEMPT_MS;

	pthread_mutex_lock(&r->lock);
	if (r->end_ms)
		left = (int64_t)(r->end_ms - clock_monotonic_ms());
	pthread_mutex_unlock(&r->lock);
	return left < 0 ? 0 : left > ATTEMPT_MS ? ATTEMPT_MS : left;
}

/* Whether it is an answer of the server, and not of something before it. */
static bool is_own(const struct call_answer *answer)
{
	char code[40];

	if (answer->end != CALL_ANSWERED)
		return false;
	cJSON *root = answer_parse(buf_as_slice(&answer->body));
	bool is_object = root != NULL;
	cJSON_Delete(root);
	remote_problem_code(&answer->body, code, sizeof(code));
	return remote_status(answer) == EXIT_OK ? is_object : code[0];
}

/* An exit status. */
static int status_of(const struct call_answer *answer)
{
	int status = remote_status(answer);

	return status == EXIT_OK && !is_own(answer) ? EXIT_FAILED : status;
}

/* While the server is away, a proxy may answer for it, with 404 or with a page. */
static bool may_repeat(const struct reporter *r, const struct call_answer *answer)
{
	return remote_may_repeat(answer, false) || (r->met && !is_own(answer));
}

static void describe(struct reporter *r, const struct call_answer *answer)
{
	cJSON *root = answer_parse(buf_as_slice(&answer->body));
	const char *detail = answer_text(root, "detail");
	char text[256];

	if (answer->end != CALL_ANSWERED)
		snprintf(text, sizeof(text), "%s", client_error(r->remote->client));
	else if (detail)
		snprintf(text, sizeof(text), "%s", detail);
	else if (remote_status(answer) == EXIT_OK)
		snprintf(text, sizeof(text), "it is not a joblight server");
	else
		snprintf(text, sizeof(text), "the answer was %d", answer->status);
	set_trouble(r, text);
	cJSON_Delete(root);
}

static uint64_t pause_ms(unsigned again, const struct call_answer *answer)
{
	int64_t pause = remote_pause_ms(again, answer->retry_after_ms);

	return (uint64_t)(pause > PAUSE_MAX_MS && !answer->retry_after_ms ? PAUSE_MAX_MS : pause);
}

/*
 * Makes one attempt after another.  False: there is no time left.  With `replaceable` it also
 * returns when something newer is to be reported in its place, with an answer to be repeated.
 */
static bool deliver(struct reporter *r, const struct call *call, struct call_answer *answer,
                    bool replaceable)
{
	struct call c = *call;

	for (unsigned again = 0; (c.timeout_ms = time_left_ms(r)) > 0; again++) {
		bool ended = take_report(r).status != NULL;
		client_call(r->remote->client, &c, answer);
		r->met = r->met || is_own(answer);
		if (status_of(answer) == EXIT_OK)
			return true;
		describe(r, answer);
		if (!may_repeat(r, answer))
			return true;
		pause_until(r, clock_monotonic_ms() + pause_ms(again, answer),
		            !ended && !answer->retry_after_ms);
		if (!ended && take_report(r).status) { /* in the meantime */
			if (replaceable)
				return true;
			again = 0;
		}
	}
	return false;
}

/* ---- the job ---- */

static void add_task(struct buf *json, const struct reporter *r, const char *id_name)
{
	buf_format(json, "{\"%s\":", id_name);
	json_string(json, slice_of(r->task.task));
	json_text(json, "title", r->task.title);
	buf_format(json, ",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":%d}", SILENCE_MS);
}

static void make_job(struct buf *json, const struct reporter *r)
{
	buf_text(json, "{\"id\":");
	json_string(json, slice_of(r->task.job));
	json_text(json, "title", r->task.title);
	buf_text(json, ",\"status\":\"in_progress\",\"tasks\":[");
	add_task(json, r, "id");
	buf_text(json, "]}");
}

enum opening { OPENING_FAILED, OPENING_CREATED, OPENING_JOINED };

/* Whether the job that could not be created is one that this task belongs to. */
static bool is_there_already(const struct reporter *r, const struct call_answer *answer)
{
	char code[40];

	if (!r->task.may_exist)
		return false;
	remote_problem_code(&answer->body, code, sizeof(code));
	return strcmp(code, "job_exists") == 0 || strcmp(code, "forbidden") == 0;
}

static enum opening open_job(struct reporter *r)
{
	struct buf json = { 0 };
	struct call_answer answer = { 0 };
	char key[IDEMPOTENCY_KEY_LEN + 1];
	enum opening opening = OPENING_FAILED;

	remote_make_key(key);
	make_job(&json, r);
	struct call call = { "POST", "/api/jobs", buf_string(&json), key, 0 };
	if (!deliver(r, &call, &answer, false))
		opening = OPENING_FAILED;
	else if (status_of(&answer) == EXIT_OK)
		opening = OPENING_CREATED;
	else if (is_there_already(r, &answer))
		opening = OPENING_JOINED;
	buf_finish(&json);
	buf_finish(&answer.body);
	return opening;
}

static bool end_job(struct reporter *r, const char *status)
{
	struct buf path = { 0 }, json = { 0 };
	struct call_answer answer = { 0 };
	char key[IDEMPOTENCY_KEY_LEN + 1];

	remote_make_key(key);
	buf_text(&path, "/api/jobs/");
	remote_add_segment(&path, r->task.job);
	buf_format(&json, "{\"status\":\"%s\"}", status);
	struct call call = { "PATCH", buf_string(&path), buf_string(&json), key, 0 };
	bool ok = deliver(r, &call, &answer, false) && status_of(&answer) == EXIT_OK;
	buf_finish(&path);
	buf_finish(&json);
	buf_finish(&answer.body);
	return ok;
}

/* ---- the task ---- */

static void make_update(struct buf *json, const struct reporter *r, const struct report *report,
                        bool with_note)
{
	buf_text(json, "{\"taskId\":");
	json_string(json, slice_of(r->task.task));
	json_text(json, "title", r->task.title);
	json_text(json, "status", report->status ? report->status : "in_progress");
	if (report->percent >= 0) {
		json_name(json, "progress");
		json_number(json, report->percent);
	}
	if (with_note)
		json_text(json, "note", report->note);
	buf_format(json, ",\"heartbeatTimeoutMs\":%d}", SILENCE_MS);
}

/* Returns an exit status; EXIT_TIMEOUT: something newer is to be reported, or time is up. */
static int send_update(struct reporter *r, const struct report *report, bool with_note)
{
	struct buf path = { 0 }, json = { 0 };
	struct call_answer answer = { 0 };
	char key[IDEMPOTENCY_KEY_LEN + 1];

	remote_make_key(key);
	buf_text(&path, "/api/agent-hooks/task-update/");
	remote_add_segment(&path, r->task.job);
	make_update(&json, r, report, with_note);
	struct call call = { "POST", buf_string(&path), buf_string(&json), key, 0 };
	int status = EXIT_TIMEOUT;
	if (deliver(r, &call, &answer, !report->status) && !may_repeat(r, &answer))
		status = status_of(&answer);
	buf_finish(&path);
	buf_finish(&json);
	buf_finish(&answer.body);
	return status;
}

/* The server may have a lower limit for notes: the end is reported without it then. */
static bool send_end(struct reporter *r, const struct report *report)
{
	int status = send_update(r, report, true);

	if (status == EXIT_REJECTED && report->note)
		status = send_update(r, report, false);
	return status == EXIT_OK;
}

/* Until the end.  False: the server refuses the reports. */
static bool send_progress(struct reporter *r, bool is_new)
{
	struct report last = { -1, NULL, NULL };

	for (;;) {
		if (is_new)
			wait_for_change(r, &last);
		is_new = true;
		struct report now = take_report(r);
		if (now.status)
			return true;
		int status = send_update(r, &now, false);
		if (status != EXIT_OK && status != EXIT_TIMEOUT)
			return false;
		last = now;
		pause_until(r, clock_monotonic_ms() + PACE_MS, true);
	}
}

static bool report_all(struct reporter *r)
{
	enum opening opening = open_job(r);

	if (opening == OPENING_FAILED || !send_progress(r, opening == OPENING_CREATED))
		return false;
	struct report end = take_report(r);
	return send_end(r, &end) && (opening == OPENING_JOINED || end_job(r, end.status));
}

static void *run(void *context)
{
	struct reporter *r = context;
	bool delivered = false;

	if (remote_connect(r->remote))
		delivered = report_all(r);
	else
		set_trouble(r, curl_library_error());
	pthread_mutex_lock(&r->lock);
	r->delivered = delivered;
	pthread_mutex_unlock(&r->lock);
	if (eventfd_write(r->done_fd, 1) != 0)
		abort();
	return NULL;
}

/* ---- the other thread ---- */

struct reporter *reporter_start(struct remote *remote, const struct reporter_task *task)
{
	struct reporter *r = xcalloc(1, sizeof(*r));
	pthread_condattr_t attributes;

	r->remote = remote;
	r->task = *task;
	r->percent = -1;
	r->done_fd = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	if (r->done_fd >= 0 && pthread_create(&r->thread, NULL, run, r) == 0)
		return r;
	if (r->done_fd >= 0)
		close(r->done_fd);
	free(r);
	return NULL;
}

void reporter_progress(struct reporter *r, double percent)
{
	pthread_mutex_lock(&r->lock);
	r->percent = percent;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void reporter_end(struct reporter *r, const char *status, const char *note, int64_t timeout_ms)
{
	pthread_mutex_lock(&r->lock);
	r->status = status;
	r->note = note ? xstrdup(note) : NULL;
	r->end_ms = clock_monotonic_ms() + (uint64_t)timeout_ms + 1;
	if (strcmp(status, "completed") == 0)
		r->percent = 100;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

int reporter_done_fd(const struct reporter *r)
{
	return r->done_fd;
}

const char *reporter_trouble(struct reporter *r)
{
	pthread_mutex_lock(&r->lock);
	const char *trouble = r->delivered ? NULL : r->trouble;
	pthread_mutex_unlock(&r->lock);
	return trouble;
}

void reporter_abandon(struct reporter *r)
{
	pthread_detach(r->thread);
}

void reporter_free(struct reporter *r)
{
	pthread_join(r->thread, NULL);
	close(r->done_fd);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->note);
	free(r);
}
