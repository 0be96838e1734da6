#include "exporter.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "credential_file.h"
#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/random.h"
#include "joblight/base/thread.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "joblight/core/otlp.h"
#include "send_helper.h"
#include "span_queue.h"
#include "work/trouble.h"

#define NICE 10         /* spans are sent in the time that serving leaves */
#define GATHER_MS 200   /* a request is not sent before it is full, or so much later */
#define FAULT_MS 1000   /* for the end of a helper that does not like its configuration */
#define READY_MS 5000   /* for the helper to check its configuration */
#define RESTART_MS 1000 /* after its end, doubled each time up to the next */
#define RESTART_MAX_MS 60000
#define STEADY_MS 60000 /* a helper that has run for so long begins with a short pause again */

struct exporter {
	struct span_queue queue;
	struct span_sink sink;
	struct send_helper helper;
	struct buf settings; /* the first frame */
	char instance[UUID_TEXT_LEN + 1];
	pthread_t thread;
	int stop; /* an eventfd */
	struct span batch[SPAN_BATCH];
	struct trouble sending, running;
	uint64_t sent, rejected, lost;
	uint64_t handed; /* spans that the helper has, and has told nothing of */
	uint64_t started_at, restart_at, pause_ms; /* of the helper */
	uint64_t stop_ms;                          /* for the last spans */
	uint64_t send_at; /* when a batch that is not full is sent; 0: no spans */
};

/* The settings. */

/* A URL without a path means the path that the protocol has. */
static void add_url(struct buf *out, const char *url)
{
	const char *host = strstr(url, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;
	struct buf whole = { 0 };

	buf_text(&whole, url);
	if (host && host[3] && (!path || !path[1]))
		buf_text(&whole, path ? "v1/traces" : "/v1/traces");
	buf_text(out, "{\"url\":");
	json_string(out, buf_as_slice(&whole));
	buf_finish(&whole);
}

static void make_settings(struct buf *out, const struct config *c)
{
	add_url(out, c->otlp_endpoint);
	json_text(out, "headers", c->otlp_headers);
	json_text(out, "ca", c->send_ca);
	buf_text(out, ",\"allow\":[");
	for (size_t i = 0; i < c->send_allow.count; i++) {
		buf_text(out, i ? "," : "");
		json_string(out, c->send_allow.items[i]);
	}
	buf_text(out, "]}");
}

static bool starts_with(const char *text, const char *start, const char **rest)
{
	size_t len = strlen(start);

	*rest = text + len;
	return strncmp(text, start, len) == 0;
}

/* Waits for what the helper says about its settings. */
static bool wait_until_ready(struct exporter *e, char *error, size_t error_len)
{
	struct pollfd helper = { .fd = e->helper.fd, .events = POLLIN };
	uint64_t end = clock_monotonic_ms() + READY_MS, now;
	const char *line, *fault;
	enum send_line got;

	while ((got = send_helper_line(&e->helper, &line)) == SEND_NO_LINE &&
	       (now = clock_monotonic_ms()) < end)
		poll(&helper, 1, (int)(end - now));
	if (got == SEND_LINE && strcmp(line, "ready") == 0)
		return true;
	if (got == SEND_LINE && starts_with(line, "fault ", &fault))
		snprintf(error, error_len, "%s", fault);
	else
		snprintf(error, error_len, SEND_PROGRAM " %s",
		         got == SEND_NO_LINE ? "does not answer"
		         : got == SEND_LINE  ? "is of another version"
		                             : "ended at once");
	return false;
}

static bool start_helper(struct exporter *e, const char **cause)
{
	return send_helper_start(&e->helper, cause) &&
	       send_helper_send(&e->helper, buf_as_slice(&e->settings), 0);
}

static struct exporter *make(const struct config *c)
{
	struct exporter *e = xcalloc(1, sizeof(*e));
	uint8_t entropy[10];

	random_bytes(entropy, sizeof(entropy));
	uuid7_format(clock_wall_ms(), entropy, e->instance);
	make_settings(&e->settings, c);
	e->sink = (struct span_sink){ span_queue_add, &e->queue, c->otlp_sample };
	e->sending.begins = "spans cannot be sent; they are kept for a while, and then dropped";
	e->sending.ends = "spans are sent again";
	e->running.begins = "the process " SEND_PROGRAM " has ended; it is started again";
	e->running.ends = "the process " SEND_PROGRAM " runs again";
	return e;
}

/* The helper has checked its settings, or `error` says what to change. */
static bool open_helper(struct exporter *e, char *error, size_t error_len)
{
	const char *cause = "it ended at once";
	char fault[SEND_LINE_MAX];

	if (!start_helper(e, &cause))
		snprintf(error, error_len,
		         "--otlp-endpoint: " SEND_PROGRAM " cannot be started: %s", cause);
	else if (!wait_until_ready(e, fault, sizeof(fault)))
		snprintf(error, error_len, "--otlp-endpoint: %s", fault);
	else
		return true;
	send_helper_reap(&e->helper, FAULT_MS);
	return false;
}

bool exporter_check(const struct config *c, char *error, size_t error_len)
{
	if (!c->otlp_endpoint)
		return true;
	struct exporter *e = make(c);
	bool ok = open_helper(e, error, error_len);
	if (ok)
		send_helper_end(&e->helper);
	send_helper_reap(&e->helper, FAULT_MS);
	buf_finish(&e->settings);
	free(e);
	return ok;
}

bool exporter_open(struct exporter **out, const struct config *c, char *error, size_t error_len)
{
	*out = NULL;
	if (!c->otlp_endpoint)
		return true;
	struct exporter *e = *out = make(c);
	e->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!span_queue_init(&e->queue) || e->stop < 0) {
		snprintf(error, error_len, "no descriptor is left for the spans");
		return false;
	}
	if (!open_helper(e, error, error_len))
		return false;
	if (c->otlp_headers)
		credential_file_warn("otlp-headers", c->otlp_headers);
	e->started_at = clock_monotonic_ms();
	return true;
}

const struct span_sink *exporter_sink(const struct exporter *e)
{
	return e ? &e->sink : NULL;
}

/* The helper. */

/* They are lost with the helper. */
static void forget_handed(struct exporter *e)
{
	e->lost += e->handed;
	e->handed = 0;
}

/* Counts what a line tells of; returns what follows the number. */
static const char *count_handed(struct exporter *e, const char *text, uint64_t *counter)
{
	char *rest;
	uint64_t count = strtoull(text, &rest, 10);

	count = count < e->handed ? count : e->handed;
	e->handed -= count;
	*counter += count;
	return rest + strspn(rest, " ");
}

static void helper_ended(struct exporter *e, const char *cause)
{
	uint64_t now = clock_monotonic_ms();

	forget_handed(e);
	send_helper_reap(&e->helper, 0);
	trouble_failed(&e->running, cause, now);
	bool steady = !e->pause_ms || now - e->started_at >= STEADY_MS;
	e->pause_ms = steady ? RESTART_MS : e->pause_ms * 2;
	if (e->pause_ms > RESTART_MAX_MS)
		e->pause_ms = RESTART_MAX_MS;
	e->restart_at = now + e->pause_ms;
}

static void restart_helper(struct exporter *e)
{
	const char *cause = "it ended at once";

	e->started_at = clock_monotonic_ms();
	if (!start_helper(e, &cause))
		helper_ended(e, cause);
}

static void read_line(struct exporter *e, const char *line)
{
	uint64_t now = clock_monotonic_ms();
	const char *rest;

	if (starts_with(line, "sent ", &rest)) {
		count_handed(e, rest, &e->sent);
		trouble_passed(&e->sending, now);
	} else if (starts_with(line, "rejected ", &rest)) {
		e->rejected += strtoull(rest, NULL, 10);
		log_warn("the receiver has not taken spans", "spans_and_cause", rest);
	} else if (starts_with(line, "lost ", &rest)) {
		trouble_failed(&e->sending, count_handed(e, rest, &e->lost), now);
	} else if (starts_with(line, "trouble ", &rest)) {
		trouble_failed(&e->sending, rest, now);
	} else if (starts_with(line, "fault ", &rest)) {
		helper_ended(e, rest);
	} else if (strcmp(line, "ready") == 0) {
		trouble_passed(&e->running, now);
	}
}

static void read_lines(struct exporter *e)
{
	enum send_line got = SEND_LINE;
	const char *line;

	while (e->helper.pid && (got = send_helper_line(&e->helper, &line)) == SEND_LINE)
		read_line(e, line);
	if (e->helper.pid && got == SEND_ENDED)
		helper_ended(e, "it ended by itself, or was killed");
}

/* Batches. */

static void send_batch(struct exporter *e)
{
	size_t count = span_queue_take(&e->queue, e->batch, SPAN_BATCH);
	struct buf body = { 0 };

	if (!count)
		return;
	otlp_begin(&body, JOBLIGHT_VERSION, e->instance);
	for (size_t i = 0; i < count; i++)
		otlp_add(&body, &e->batch[i]);
	otlp_end(&body);
	e->handed += count;
	if (!send_helper_send(&e->helper, buf_as_slice(&body), (uint32_t)count))
		helper_ended(e, "it takes nothing any more");
	buf_finish(&body);
}

/* A batch is sent when it is full, or when its first span has waited for GATHER_MS. */
static void send_what_is_due(struct exporter *e, uint64_t now)
{
	size_t count = span_queue_count(&e->queue);

	if (count && !e->send_at)
		e->send_at = now + GATHER_MS;
	while (e->helper.pid && send_helper_is_idle(&e->helper) && count &&
	       (count >= SPAN_BATCH || now >= e->send_at)) {
		send_batch(e);
		count = span_queue_count(&e->queue);
		e->send_at = count ? now + GATHER_MS : 0;
	}
}

/* The thread. */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int wait_ms(const struct exporter *e, uint64_t now)
{
	uint64_t due = earlier(trouble_due(&e->sending), trouble_due(&e->running));

	if (!e->helper.pid)
		due = earlier(due, e->restart_at);
	if (e->send_at && e->helper.pid && send_helper_is_idle(&e->helper))
		due = earlier(due, e->send_at);
	if (due == UINT64_MAX)
		return -1;
	return due > now ? (int)(due - now) : 0;
}

static void wait_for_work(struct exporter *e)
{
	bool idle = send_helper_is_idle(&e->helper), runs = e->helper.pid != 0;
	struct pollfd fds[] = {
		{ .fd = e->stop, .events = POLLIN },
		{ .fd = runs ? e->helper.fd : -1,
		  .events = (short)(POLLIN | (idle ? 0 : POLLOUT)) },
		{ .fd = runs && idle ? e->queue.wake : -1, .events = POLLIN },
	};

	poll(fds, 3, wait_ms(e, clock_monotonic_ms()));
}

static void step(struct exporter *e)
{
	uint64_t now = clock_monotonic_ms();

	span_queue_awake(&e->queue);
	if (!e->helper.pid && now >= e->restart_at)
		restart_helper(e);
	if (e->helper.pid)
		read_lines(e);
	if (e->helper.pid && !send_helper_flush(&e->helper))
		helper_ended(e, "it takes nothing any more");
	send_what_is_due(e, now);
	if (trouble_due(&e->sending) <= now)
		trouble_passed(&e->sending, now);
	if (trouble_due(&e->running) <= now)
		trouble_passed(&e->running, now);
}

static bool is_stopping(const struct exporter *e)
{
	eventfd_t unused;

	return eventfd_read(e->stop, &unused) == 0;
}

/* Gives the helper what is left, until the time is over. */
static void send_the_rest(struct exporter *e)
{
	uint64_t end = clock_monotonic_ms() + e->stop_ms, now;

	while (e->helper.pid && (now = clock_monotonic_ms()) < end &&
	       (span_queue_count(&e->queue) || !send_helper_is_idle(&e->helper))) {
		struct pollfd helper = { .fd = e->helper.fd, .events = POLLOUT };
		if (send_helper_is_idle(&e->helper))
			send_batch(e);
		else if (!send_helper_flush(&e->helper))
			break;
		else
			poll(&helper, 1, (int)(end - now));
	}
	if (!e->helper.pid)
		return;
	send_helper_end(&e->helper);
	now = clock_monotonic_ms();
	struct pollfd helper = { .fd = e->helper.fd, .events = POLLIN };
	while (e->helper.pid && now < end && poll(&helper, 1, (int)(end - now)) > 0) {
		enum send_line got;
		const char *line;
		while ((got = send_helper_line(&e->helper, &line)) == SEND_LINE)
			read_line(e, line);
		if (got == SEND_ENDED)
			break;
		now = clock_monotonic_ms();
	}
	send_helper_reap(&e->helper, now < end ? (unsigned)(end - now) : 0);
}

static void *run(void *context)
{
	struct exporter *e = context;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread: sched(7) */
	while (!is_stopping(e)) {
		step(e);
		wait_for_work(e);
	}
	send_the_rest(e);
	forget_handed(e);
	e->lost += span_queue_count(&e->queue);
	return NULL;
}

void exporter_start(struct exporter *e)
{
	if (!e)
		return;
	thread_start(&e->thread, "export", run, e);
}

static void log_counts(const struct exporter *e)
{
	char made[24], sent[24], rejected[24], lost[24], dropped[24];

	snprintf(made, sizeof(made), "%" PRIu64, e->queue.added + e->queue.dropped);
	snprintf(sent, sizeof(sent), "%" PRIu64, e->sent);
	snprintf(rejected, sizeof(rejected), "%" PRIu64, e->rejected);
	snprintf(lost, sizeof(lost), "%" PRIu64, e->lost);
	snprintf(dropped, sizeof(dropped), "%" PRIu64, e->queue.dropped);
	log_info("counted by the exporter", "spans", made, "sent", sent, "rejected", rejected,
	         "lost", lost, "dropped", dropped);
}

void exporter_stop(struct exporter *e, uint64_t left_ms)
{
	if (!e)
		return;
	e->stop_ms = earlier(left_ms, EXPORTER_STOP_MS);
	eventfd_write(e->stop, 1);
	pthread_join(e->thread, NULL);
	log_counts(e);
	span_queue_finish(&e->queue);
	buf_finish(&e->settings);
	close(e->stop);
	free(e);
}
