/* The watchers of the bench: event streams that are read to their end. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "joblight/base/clock.h"

#define OPENING_MAX 200 /* streams that are opened at the same time */
#define STEP_MS 50

static bool find(struct slice line, const char *text, const char **after)
{
	const char *found = memmem(line.ptr, line.len, text, strlen(text));

	*after = found ? found + strlen(text) : NULL;
	return found != NULL;
}

/* "id: EPOCH.SEQ": the events are numbered without holes. */
static void take_id(struct bench_watcher *w, struct slice line)
{
	const char *dot = memchr(line.ptr, '.', line.len);
	uint64_t seq;

	if (!dot ||
	    !slice_number((struct slice){ dot + 1, (size_t)(line.ptr + line.len - dot - 1) },
	                  SLICE_DIGITS_MAX, &seq))
		return;
	if (w->seq && seq > w->seq + 1)
		w->bench->missing += seq - w->seq - 1;
	if (w->seq && seq <= w->seq)
		w->bench->repeated++;
	w->seq = seq;
}

static uint64_t number_at(const char *at, const char *end)
{
	uint64_t number = 0;

	for (; at < end && *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (uint64_t)(*at - '0');
	return number;
}

/* The event of an update: `"note":"SENT"`, and its timestamp. */
static void take_event(struct bench_watcher *w, struct slice line)
{
	struct bench *b = w->bench;
	const char *note, *time, *end = line.ptr + line.len;
	uint64_t now = clock_monotonic_us();
	int64_t server_ms;

	if (!b->counts || !find(line, "\"note\":\"", &note) ||
	    !find(line, "\"timestamp\":\"", &time))
		return;
	const char *time_end = memchr(time, '"', (size_t)(end - time));
	uint64_t sent = number_at(note, end);
	if (!time_end || !sent || sent > now)
		return;
	b->deliveries++;
	histogram_add(&b->received, now - sent);
	if (clock_parse((struct slice){ time, (size_t)(time_end - time) }, &server_ms))
		delay_add(&b->delay, server_ms, sent, now);
}

static bool begins(struct slice line, const char *text)
{
	return line.len >= strlen(text) && memcmp(line.ptr, text, strlen(text)) == 0;
}

static void take_line(struct bench_watcher *w, struct slice line)
{
	const char *after;

	if (begins(line, "id:"))
		take_id(w, line);
	else if (begins(line, "data: {\"type\":\"task_update\""))
		take_event(w, line);
	else if (begins(line, "event: refused"))
		bench_fault(w->bench,
		            "a stream was refused: the server has no room for it, see its "
		            "--max-streams and --max-connections");
	else if (!w->connected && find(line, "\"type\":\"connected\"", &after))
		w->connected = true;
}

/* Takes the whole lines, and keeps the rest. */
static void take_bytes(struct exchange *x, struct slice bytes)
{
	struct bench_watcher *w = x->context;
	const char *end;

	if (w->rest.len) {
		buf_slice(&w->rest, bytes);
		bytes = buf_as_slice(&w->rest);
	}
	struct slice left = bytes;
	while ((end = memchr(left.ptr, '\n', left.len))) {
		size_t len = (size_t)(end - left.ptr);
		take_line(w, (struct slice){ left.ptr, len });
		left = (struct slice){ end + 1, left.len - len - 1 };
	}
	if (left.ptr != bytes.ptr || !w->rest.len) {
		struct buf rest = { 0 };
		buf_slice(&rest, left);
		buf_finish(&w->rest);
		w->rest = rest;
	}
}

static void ended(struct exchange *x)
{
	struct bench_watcher *w = x->context;

	w->lost = true;
	w->bench->broken++;
	if (x->status == 200)
		bench_fault(w->bench, "a stream was cut");
	else
		bench_fault_of(w->bench, "a stream", x);
}

/* A refusal is kept for people. */
static void take_first(struct exchange *x, struct slice bytes)
{
	if (x->head.len > 12 &&
	    memcmp(x->head.ptr + 9 - (x->head.ptr[6] == ' ' ? 2 : 0), "200", 3) == 0)
		take_bytes(x, bytes);
	else
		buf_slice(&x->body, bytes);
}

static void open_one(struct bench_watcher *w)
{
	static const char *const headers[] = { "Accept: text/event-stream", NULL };
	char path[128];

	snprintf(path, sizeof(path), "/api/jobs/%s/task-events", w->job->made.id);
	struct request_of_probe r = { .method = "GET", .path = path, .headers = headers };
	w->stream = exchange_begin(w->bench->probe, &r);
	w->stream->context = w;
	w->stream->take = take_first;
	w->stream->finished = ended;
}

static unsigned count_connected(const struct bench *b, unsigned opened)
{
	unsigned count = 0;

	for (unsigned i = 0; i < opened; i++)
		count += b->watchers[i].connected || b->watchers[i].lost;
	return count;
}

bool bench_open_watchers(struct bench *b)
{
	uint64_t until = clock_monotonic_ms() + b->probe->answer_ms;
	unsigned opened = 0, connected = 0;

	while (connected < b->options.watchers && !b->broken && !b->probe->stopped &&
	       clock_monotonic_ms() < until) {
		for (; opened < b->options.watchers && opened - connected < OPENING_MAX; opened++) {
			b->watchers[opened].bench = b;
			b->watchers[opened].job = &b->jobs[opened % b->options.jobs];
			open_one(&b->watchers[opened]);
		}
		probe_run(b->probe, STEP_MS, -1);
		connected = count_connected(b, opened);
	}
	if (connected < b->options.watchers)
		bench_fault(b, "only %u of %u streams opened within %g s", connected,
		            b->options.watchers, b->probe->answer_ms / 1000.0);
	return connected == b->options.watchers && !b->broken;
}

unsigned bench_watchers_behind(const struct bench *b)
{
	unsigned count = 0;

	for (unsigned i = 0; i < b->options.watchers; i++)
		count += !b->watchers[i].lost && b->watchers[i].seq < b->watchers[i].job->seq;
	return count;
}

void bench_count_missing(struct bench *b)
{
	for (unsigned i = 0; i < b->options.watchers; i++) {
		const struct bench_watcher *w = &b->watchers[i];
		if (!w->lost && w->seq < w->job->seq)
			b->missing += w->job->seq - w->seq;
	}
	if (b->missing)
		bench_fault(b, "events were not received");
}

void bench_close_watchers(struct bench *b)
{
	for (unsigned i = 0; i < b->options.watchers; i++) {
		exchange_free(b->watchers[i].stream);
		buf_finish(&b->watchers[i].rest);
	}
}
