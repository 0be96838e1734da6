/*
 * `joblight watch`: the events of a job, over server-sent events.
 *
 * It remembers the cursor of the last event that it has printed, and reconnects with it, so a cut
 * connection or a restart of the server loses nothing and repeats nothing.
 */
#include <cjson/cJSON.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "interrupt.h"
#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "output.h"
#include "remote.h"
#include "sse_reader.h"
#include "verbs.h"
#include "view.h"

#define HEARTBEAT_MS 30000        /* until the server has said which */
#define HEARTBEAT_MAX_MS 86400000 /* more is no time that a server waits */
#define SINCE_MAX 31              /* bytes of a cursor */

struct watch {
	struct remote remote;
	struct output output;
	struct view *view; /* NULL: JSON */
	struct sse_reader reader;
	const char *job;
	struct buf cursor; /* empty: none yet */
	uint64_t last_seq;
	bool until_now;
	uint64_t head;     /* with until_now: the last event to print */
	uint64_t heard_ms; /* clock_monotonic_ms(): the last byte of the server */
	uint64_t alive_ms; /* the same, or the begin of the connection */
	int64_t heartbeat_ms;
	bool delivered; /* something, on this connection */
	bool over;
	int status; /* the exit status, when it is over */
};

static void finish(struct watch *w, int status)
{
	w->over = true;
	w->status = status;
}

static int status_of_job(const char *status)
{
	static const struct {
		const char *name;
		int status;
	} ends[] = { { "completed", EXIT_OK },
		     { "failed", EXIT_FAILED },
		     { "cancelled", EXIT_CANCELLED },
		     { "deleted", EXIT_NOT_FOUND } };

	for (size_t i = 0; status && i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strcmp(status, ends[i].name) == 0)
			return ends[i].status;
	return EXIT_FAILED;
}

static void say(struct watch *w, const char *text)
{
	if (w->view)
		view_clear(w->view);
	output_message(text);
}

/* ---- the messages of the stream ---- */

static void set_cursor(struct watch *w, struct slice cursor)
{
	w->cursor.len = 0;
	buf_slice(&w->cursor, cursor);
}

/* `connected` and `reset`: the position of the stream, and the job unless it continues. */
static void on_position(struct watch *w, const cJSON *message)
{
	const char *cursor = answer_text(message, "cursor"),
	           *reason = answer_text(message, "reason");
	const cJSON *job = cJSON_GetObjectItemCaseSensitive(message, "job");
	const char *dot = cursor ? strchr(cursor, '.') : NULL;
	char text[128];

	if (!dot || strlen(cursor) > SINCE_MAX)
		return;
	if (reason) {
		snprintf(text, sizeof(text), "events are missing before %s (%.20s)", cursor,
		         reason);
		say(w, text);
	}
	uint64_t seq = strtoull(dot + 1, NULL, 10);
	if (seq > w->last_seq || job) { /* it does not go back in the same log */
		set_cursor(w, slice_of(cursor));
		w->last_seq = seq;
	}
	uint64_t heartbeat_ms = answer_count(message, "heartbeatMs", HEARTBEAT_MS);
	w->heartbeat_ms = heartbeat_ms && heartbeat_ms <= HEARTBEAT_MAX_MS ? (int64_t)heartbeat_ms
	                                                                   : HEARTBEAT_MS;
	if (w->view)
		view_state(w->view, NULL);
	if (w->view && cJSON_IsObject(job))
		view_reset(w->view, job);
	if (w->until_now && w->last_seq >= answer_count(message, "head", 0))
		finish(w, EXIT_OK);
	else if (w->until_now)
		w->head = answer_count(message, "head", 0);
}

static void print_event(struct watch *w, const cJSON *event, struct slice data)
{
	if (w->view)
		view_event(w->view, event);
	else
		output_answer(data);
}

/* A logged event.  What has been printed is not printed again. */
static void on_event(struct watch *w, const cJSON *event, struct slice data)
{
	uint64_t seq = answer_count(event, "seq", 0);

	if (seq <= w->last_seq)
		return;
	print_event(w, event, data);
	w->last_seq = seq;
	if (w->reader.id.len)
		set_cursor(w, buf_as_slice(&w->reader.id));
	if (w->until_now && w->last_seq >= w->head)
		finish(w, EXIT_OK);
}

static void on_end(struct watch *w, const cJSON *message)
{
	finish(w, w->until_now ? EXIT_OK : status_of_job(answer_text(message, "status")));
}

static bool is(const char *type, const char *wanted)
{
	return strcmp(type, wanted) == 0;
}

static void on_message(struct watch *w, const cJSON *message, struct slice data)
{
	const char *type = answer_text(message, "type");

	if (!type || is(type, "presence"))
		return;
	w->delivered = true;
	if (is(type, "connected") || is(type, "reset"))
		on_position(w, message);
	else if (is(type, "end"))
		on_end(w, message);
	else
		on_event(w, message, data);
}

static bool take_message(void *context, const struct sse_message *m)
{
	struct watch *w = context;

	if (m->type.len) /* a heartbeat */
		return true;
	cJSON *message = answer_parse(m->data);
	if (message)
		on_message(w, message, m->data);
	cJSON_Delete(message);
	return !w->over;
}

/* ---- one connection ---- */

static bool take_bytes(void *context, struct slice bytes)
{
	struct watch *w = context;

	w->alive_ms = w->heard_ms = clock_monotonic_ms();
	return sse_reader_take(&w->reader, bytes);
}

/* Nobody reads the pipe any more: there is no event to find it out by. */
static void check_reader(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	if (poll(&out, 1, 0) == 1 && out.revents & (POLLERR | POLLHUP))
		output_end_without_reader();
}

static bool on_idle(void *context)
{
	struct watch *w = context;

	check_reader();
	if (w->view)
		view_refresh(w->view);
	return clock_monotonic_ms() < w->alive_ms + (uint64_t)w->heartbeat_ms * 5 / 2;
}

static void make_path(const struct watch *w, struct buf *path)
{
	buf_text(path, "/api/jobs/");
	remote_add_segment(path, w->job);
	buf_text(path, "/task-events");
	if (w->cursor.len) {
		buf_text(path, "?since=");
		buf_slice(path, buf_as_slice(&w->cursor));
	}
}

static void connect_once(struct watch *w, struct call_answer *answer)
{
	struct client_reader reader = { take_bytes, on_idle, w };
	struct buf path = { 0 };

	make_path(w, &path);
	sse_reader_begin(&w->reader);
	w->delivered = false;
	w->alive_ms = clock_monotonic_ms();
	client_read(w->remote.client, buf_string(&path), &reader, answer);
	buf_finish(&path);
}

/* ---- between connections ---- */

/* Asks for the job.  NULL after a message, and then it is over. */
static cJSON *ask_for_job(struct watch *w)
{
	struct buf path = { 0 }, answer = { 0 };

	buf_text(&path, "/api/jobs/");
	remote_add_segment(&path, w->job);
	int status = remote_ask(&w->remote,
	                        &(struct remote_call){ .method = "GET", .path = buf_string(&path) },
	                        &answer);
	cJSON *job = status == EXIT_OK ? answer_parse(buf_as_slice(&answer)) : NULL;
	if (!job)
		finish(w, status == EXIT_OK ? remote_is_foreign(&w->remote) : status);
	buf_finish(&path);
	buf_finish(&answer);
	return job;
}

/* 204: the job has ended, and this position is its end. */
static void on_end_of_log(struct watch *w)
{
	cJSON *job = ask_for_job(w);

	if (job)
		finish(w, w->until_now ? EXIT_OK : status_of_job(answer_text(job, "status")));
	cJSON_Delete(job);
}

/* An answer of the server itself, which will not change.  A proxy's 404 is none. */
static bool is_final(const struct call_answer *answer)
{
	char code[40];

	if (answer->end != CALL_ANSWERED || remote_may_repeat(answer, false))
		return false;
	remote_problem_code(&answer->body, code, sizeof(code));
	return code[0];
}

static void sleep_ms(int64_t ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) != 0)
		;
}

/* The pause before the next connection.  False: the server has been away for too long. */
static bool pause_between(struct watch *w, const struct call_answer *answer, unsigned again)
{
	int64_t pause = remote_pause_ms(again, answer->retry_after_ms);
	bool was_ended = answer->end == CALL_ANSWERED && answer->status == 200;

	if (was_ended && w->reader.retry_ms > pause)
		pause = w->reader.retry_ms;
	if (clock_monotonic_ms() + (uint64_t)pause > w->heard_ms + (uint64_t)w->remote.timeout_ms)
		return false;
	sleep_ms(pause);
	return true;
}

static void give_up(struct watch *w, const struct call_answer *answer)
{
	int status = remote_status(answer);

	if (w->view)
		view_clear(w->view);
	remote_print_problem(&w->remote, answer);
	finish(w, status == EXIT_OK ? EXIT_UNREACHABLE : status);
}

static void follow(struct watch *w)
{
	struct call_answer answer = { 0 };

	w->heard_ms = clock_monotonic_ms();
	for (unsigned again = 0; !w->over; again++) {
		connect_once(w, &answer);
		again = w->delivered ? 0 : again;
		if (w->over)
			break;
		if (answer.status == 204)
			on_end_of_log(w);
		else if (is_final(&answer))
			give_up(w, &answer);
		else {
			if (w->view)
				view_state(w->view, "reconnecting");
			if (!pause_between(w, &answer, again))
				give_up(w, &answer);
		}
	}
	buf_finish(&answer.body);
}

/* ---- the verb ---- */

/* `start`: the cursor before the first event. */
static void begin_at_start(struct watch *w)
{
	cJSON *job = ask_for_job(w);
	const char *epoch = answer_text(job, "epoch");

	if (epoch)
		buf_format(&w->cursor, "%s.0", epoch);
	else if (job)
		finish(w, remote_is_foreign(&w->remote));
	cJSON_Delete(job);
}

static int check_since(const char *since)
{
	const char *dot = since ? strchr(since, '.') : NULL;

	if (!since || strcmp(since, "start") == 0 ||
	    (dot && strspn(since, "0123456789abcdefghijklmnopqrstuvwxyz.") == strlen(since) &&
	     strlen(since) <= SINCE_MAX))
		return EXIT_OK;
	return arguments_fault("--since", since, "it takes a cursor, or `start`");
}

static void take_since(struct watch *w, const char *since)
{
	buf_text(&w->cursor, since);
	w->last_seq = strtoull(strchr(since, '.') + 1, NULL, 10);
}

static void prepare(struct watch *w, const struct arguments *a)
{
	const char *since = arguments_value(a, "since");

	w->job = a->operands[0];
	w->until_now = arguments_has(a, "until-now");
	w->heartbeat_ms = HEARTBEAT_MS;
	w->reader.message = take_message;
	w->reader.context = w;
	output_init(&w->output, a);
	w->view = w->output.json ? NULL : view_create(&w->output);
	if (w->output.moves && w->view)
		interrupt_write("\r\033[K");
	if (since && strcmp(since, "start") == 0)
		begin_at_start(w);
	else if (since)
		take_since(w, since);
}

int verb_watch(const struct arguments *a)
{
	struct watch w = { 0 };
	int status = check_since(arguments_value(a, "since"));

	if (status == EXIT_OK)
		status = remote_open(&w.remote, a);
	if (status != EXIT_OK)
		return status;
	prepare(&w, a);
	follow(&w);
	if (w.view)
		view_clear(w.view);
	view_free(w.view);
	sse_reader_finish(&w.reader);
	buf_finish(&w.cursor);
	remote_close(&w.remote);
	return w.status;
}
